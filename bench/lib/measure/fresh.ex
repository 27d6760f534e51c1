defmodule LibclusterKubernetes.Bench.Measure.Fresh do
  @moduledoc """
  What a start costs, each time in a new VM with every module loaded: how long the supervisor's start blocks, how long until
  the last member was asked to connect, how long the NIF takes to load; and the peak growth of the VM's memory from
  before the topology's start until after three lists. Settings are the defaults, so that ours watches after its start,
  except that memory is measured while polling.
  """

  alias LibclusterKubernetes.Bench.{Client, Figure, Proc, Server, Setting}
  alias LibclusterKubernetes.Bench.Client.{Recorder, Subject}

  @default_interval 5_000

  @doc "Memory, at every size."
  def memory(%{plan: plan} = setting, source, members) do
    samples =
      for _ <- 1..plan.fresh_starts, who <- Setting.subjects(setting, source) do
        {who, memory_sample(setting, who, source, members)}
      end

    for {who, values} <- grouped(samples), do: Figure.new(:poll_memory, {source, members}, who, :bytes, values)
  end

  defp memory_sample(setting, who, source, members) do
    client = Client.start!()
    if who == :ours, do: Client.call(client, Subject, :load_nif, [])
    before = Proc.resident(client.os_pid)
    Proc.reset_peak(client.os_pid)
    Setting.start_topologies(setting, client, who, source, [k8s: Server.namespace(source, members)], interval: 10_000)
    Setting.await_members(client, [:k8s], members)
    Client.call(client, Subject, :polls, [2, 10])
    growth = Proc.peak(client.os_pid) - before
    Client.stop(client)
    max(growth, 0)
  end

  @doc "Start-up, at one size."
  def start_up(%{plan: plan} = setting, source) do
    samples =
      for _ <- 1..(plan.fresh_starts + 2), who <- Setting.subjects(setting, source) do
        {who, start_sample(setting, who, source)}
      end

    for {who, samples} <- grouped(samples),
        {measure, key} <- [start_blocked: :blocked, start_connected: :connected, start_nif_load: :nif],
        values = Enum.map(samples, & &1[key]),
        hd(values) != nil,
        do: Figure.new(measure, {source, plan.size}, who, :us, values)
  end

  defp start_sample(%{plan: %{size: members}} = setting, who, source) do
    client = Client.start!()
    nif = if who == :ours, do: Client.call(client, Subject, :load_nif, [])
    namespace = Server.namespace(source, members)
    opts = [interval: @default_interval, watch?: true]
    %{blocked: blocked, began: began} = Setting.start_topologies(setting, client, who, source, [k8s: namespace], opts)
    Setting.await_members(client, [:k8s], members)
    connected = Client.call(client, Recorder, :last_connect, [:k8s]) - began
    Client.stop(client)
    %{blocked: blocked, connected: connected, nif: nif}
  end

  defp grouped(samples), do: Enum.group_by(samples, &elem(&1, 0), &elem(&1, 1))
end
