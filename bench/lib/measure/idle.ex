defmodule LibclusterKubernetes.Bench.Measure.Idle do
  @moduledoc """
  What an hour costs in which nothing changes, scaled from a window: requests, bytes and CPU on both sides.

  One topology of ours costs so little that many of them watch at once, and a figure is the window's divided by their
  number. What a window may not show is added: a watch ends after 240 to 300 seconds and is opened anew, which is
  measured by breaking all connections (with a new TLS handshake, so this is an upper bound), and once in an hour there is
  a list.
  """

  alias LibclusterKubernetes.Bench.{Client, Figure, Proc, Server, Setting, Wire}

  @hour 3_600
  @interval 5_000
  # On average.
  @watch_seconds 270
  # Backing off and connecting are over then.
  @settle_seconds 4

  def run(%{plan: plan} = setting, source) do
    at = {source, plan.size}

    for who <- Setting.subjects(setting, source), {measure, unit, value} <- hour(setting, who, source) do
      Figure.new(measure, at, who, unit, [value])
    end
  end

  defp hour(%{plan: plan} = setting, who, source) do
    topologies = if who == :ours, do: plan.watchers, else: 1
    wire = Wire.start!(setting.server.port)
    {client, start} = start(setting, who, source, topologies, wire)
    window = observe(setting, client, wire, fn -> Process.sleep(plan.window_seconds * 1_000) end)

    per_hour = scale(window, @hour / plan.window_seconds / topologies)
    total = if who == :ours, do: complete(per_hour, setting, client, wire, topologies, start), else: per_hour
    Client.stop(client)
    Wire.stop(wire)

    [
      {:idle_requests, :count, total.requests},
      {:idle_bytes, :bytes, total.bytes},
      {:idle_client_cpu, :ns, total.client},
      {:idle_server_cpu, :ns, total.server}
    ]
  end

  defp start(%{plan: plan} = setting, who, source, topologies, wire) do
    client = Client.start!()
    names = for number <- 1..topologies, do: :"t#{number}"
    opts = [port: wire.port, interval: @interval, watch?: true]

    start =
      observe(setting, client, wire, fn ->
        namespace = Server.namespace(source, plan.size)
        Setting.start_topologies(setting, client, who, source, Enum.map(names, &{&1, namespace}), opts)
        Setting.await_members(client, names, plan.size)
        Process.sleep(@settle_seconds * 1_000)
      end)

    {client, scale(start, 1 / topologies)}
  end

  # The watches that ended in the window are in it already.
  defp complete(window, setting, client, wire, topologies, start) do
    reopened =
      observe(setting, client, wire, fn ->
        Wire.cut(wire)
        Process.sleep(@settle_seconds * 1_000)
      end)

    reopenings = max(@hour / @watch_seconds - window.requests, 0)

    window
    |> add(scale(reopened, reopenings / topologies))
    # A start is a connection, a list and a watch: more than the list of once in an hour.
    |> add(start)
  end

  defp observe(%{server: server}, client, wire, fun) do
    requests = Server.requests(server)
    before = {System.monotonic_time(:nanosecond), Wire.bytes(wire), Proc.cpu_ns(client.os_pid), Server.cpu(server)}
    fun.()
    {began, bytes, client_cpu, cpu} = before
    seconds = (System.monotonic_time(:nanosecond) - began) / 1.0e9
    used = for {name, now} <- Server.cpu(server), do: max(now - cpu[name] - server.idle[name] * seconds, 0)

    %{
      server: Enum.sum(used),
      client: Proc.cpu_ns(client.os_pid) - client_cpu,
      bytes: Wire.bytes(wire) - bytes,
      requests: Server.requests(server) - requests
    }
  end

  defp scale(costs, factor), do: Map.new(costs, fn {key, value} -> {key, value * factor} end)
  defp add(costs, more), do: Map.merge(costs, more, fn _key, one, other -> one + other end)
end
