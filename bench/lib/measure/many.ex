defmodule LibclusterKubernetes.Bench.Measure.Many do
  @moduledoc """
  Many topologies in one VM, each with an Endpoints object of its own: CPU of the server and of the client in a window,
  while nothing changes and with a change every second; and the client's memory after it.

  In each round the same windows without any client come first: what the server uses by itself and for the changes is taken
  off.
  """

  alias LibclusterKubernetes.Bench.{Client, Figure, Proc, Server, Setting}

  @interval 5_000
  @change_every_ms 1_000

  def run(%{plan: plan} = setting) do
    topologies = for number <- 1..plan.topologies, do: {:"many#{number}", "many-#{number}"}

    Server.in_parallel(topologies, fn {_, namespace} ->
      Server.populate!(setting.server, :endpoints, namespace, plan.topology_members)
    end)

    # What follows the writing of so much is not what an idle server does.
    Process.sleep(2_000)

    samples =
      for _ <- 1..plan.many_rounds, nobody = windows(setting, nil), who <- Setting.subjects(setting, :endpoints) do
        {who, sample(setting, who, topologies, nobody)}
      end

    at = {:endpoints, plan.topologies * plan.topology_members}

    for {who, samples} <- Enum.group_by(samples, &elem(&1, 0), &elem(&1, 1)),
        {measure, _value} <- hd(samples) do
      unit = if measure == :many_memory, do: :bytes, else: :ns
      Figure.new(measure, at, who, unit, Enum.map(samples, & &1[measure]))
    end
  end

  defp sample(%{plan: plan} = setting, who, topologies, nobody) do
    client = Client.start!()
    before = Proc.resident(client.os_pid)
    Setting.start_topologies(setting, client, who, :endpoints, topologies, interval: @interval, watch?: true)
    Setting.await_members(client, Keyword.keys(topologies), plan.topology_members - 1)
    Process.sleep(@interval)
    windows = windows(setting, client)
    memory = Proc.resident(client.os_pid) - before
    Client.stop(client)

    # Per second, whatever the window. Less than nobody's is noise, which a median needs whole.
    for {kind, window} <- windows, side <- [:server, :client], into: %{many_memory: memory} do
      net = if side == :server, do: window.server - nobody[kind].server, else: window.client
      {:"many_#{kind}_#{side}_cpu", net / plan.many_seconds}
    end
  end

  defp windows(%{plan: plan} = setting, client) do
    still = window(setting, client, fn -> Process.sleep(plan.many_seconds * 1_000) end)
    changing = window(setting, client, fn -> change(setting, div(plan.many_seconds * 1_000, @change_every_ms)) end)
    [still: still, changing: changing]
  end

  defp window(%{server: server}, client, fun) do
    before = {Server.cpu(server), client_cpu(client)}
    fun.()
    {processes, client_before} = before
    used = for {name, now} <- Server.cpu(server), do: now - processes[name]
    %{server: Enum.sum(used), client: client_cpu(client) - client_before}
  end

  defp change(%{plan: plan} = setting, count) do
    began = System.monotonic_time(:millisecond)

    for number <- 1..count do
      namespace = "many-#{rem(number, plan.topologies) + 1}"
      unique = System.unique_integer([:positive, :monotonic])
      {_node, change} = Server.prepare_change!(setting.server, :endpoints, namespace, plan.topology_members, unique)
      change.()
      Process.sleep(max(began + number * @change_every_ms - System.monotonic_time(:millisecond), 0))
    end
  end

  defp client_cpu(nil), do: 0
  defp client_cpu(client), do: Proc.cpu_ns(client.os_pid)
end
