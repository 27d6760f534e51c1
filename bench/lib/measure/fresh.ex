defmodule LibclusterKubernetes.Bench.Measure.Fresh do
  @moduledoc """
  What is measured in a new VM each time, with every module loaded. Of a start with default settings: how long the
  supervisor's start blocks, how long until the first and the last member were asked to connect, how long the NIF takes to load. Of
  polling: the peak growth of the VM's memory from before the topology's start until after three lists, and the bytes of
  a poll.
  """

  alias LibclusterKubernetes.Bench.{Client, Figure, Proc, Server, Setting, Wire}
  alias LibclusterKubernetes.Bench.Client.{Recorder, Subject}

  @default_interval 5_000
  @polls 2

  @doc "Memory and bytes of polling."
  def polling(setting, source, members) do
    for {who, samples} <- samples(setting, source, &polling_sample(setting, &1, source, members)),
        measure <- [:poll_memory, :poll_bytes] do
      Figure.new(measure, {source, members}, who, :bytes, Enum.map(samples, & &1[measure]))
    end
  end

  defp polling_sample(setting, who, source, members) do
    wire = Wire.start!(setting.server.port)
    client = start_loaded(who)
    before = Proc.resident(client.os_pid)
    Proc.reset_peak(client.os_pid)
    Setting.start_topologies(setting, client, who, source, [k8s: Server.namespace(source, members)], port: wire.port)
    Setting.await_members(client, [:k8s], members)
    bytes = Wire.bytes(wire)
    Client.call(client, Subject, :polls, [@polls, 10])
    bytes = Wire.bytes(wire) - bytes
    growth = Proc.peak(client.os_pid) - before
    Client.stop(client)
    Wire.stop(wire)
    %{poll_memory: max(growth, 0), poll_bytes: bytes / @polls}
  end

  defp start_loaded(who) do
    client = Client.start!()
    Client.call(client, Client.Vm, :load_modules, [])
    if who == :ours, do: Client.call(client, Subject, :load_nif, [])
    client
  end

  @doc "Start-up."
  def start_up(setting, source, members) do
    for {who, samples} <- samples(setting, source, &start_sample(setting, &1, source, members)),
        {measure, key} <- [start_blocked: :blocked, start_first: :first, start_connected: :last, start_nif_load: :nif],
        values = Enum.map(samples, & &1[key]),
        hd(values) != nil,
        do: Figure.new(measure, {source, members}, who, :us, values)
  end

  defp start_sample(setting, who, source, members) do
    client = Client.start!()
    Client.call(client, Client.Vm, :load_modules, [])
    nif = if who == :ours, do: Client.call(client, Subject, :load_nif, [])
    namespace = Server.namespace(source, members)
    opts = [interval: @default_interval, watch?: true]
    %{blocked: blocked, began: began} = Setting.start_topologies(setting, client, who, source, [k8s: namespace], opts)
    Setting.await_members(client, [:k8s], members)
    {first, last} = Client.call(client, Recorder, :connects, [:k8s])
    Client.stop(client)
    %{blocked: blocked, first: first - began, last: last - began, nif: nif}
  end

  # As often as planned, in turn.
  defp samples(setting, source, sample) do
    samples = for _ <- 1..setting.plan.fresh_starts, who <- Setting.subjects(setting, source), do: {who, sample.(who)}
    Enum.group_by(samples, &elem(&1, 0), &elem(&1, 1))
  end
end
