defmodule LibclusterKubernetes.Bench.Measure.Poll do
  @moduledoc """
  What one poll costs: CPU of the client and of the server's processes, and time. Nobody watches here.

  Clients take turns, each for some polls in every round; a figure is the median of the rounds. The server's CPU is what it
  used beyond what it uses while nobody asks.
  """

  alias LibclusterKubernetes.Bench.{BareGet, Client, Figure, Plan, Proc, Server, Setting, Stats}
  alias LibclusterKubernetes.Bench.Client.Subject

  # Between polls, so that what the last one left to do is done.
  @pause_ms 2
  @most_polls 200

  def run(%{plan: plan} = setting, source, members) do
    namespace = Server.namespace(source, members)
    at = {source, members}
    clients = for who <- Setting.subjects(setting, source), do: {who, polling_client(setting, who, at, namespace)}
    clients = clients ++ bare(setting, at, namespace)

    samples = for _ <- 1..plan.rounds, {who, poller} <- clients, do: {who, sample(setting, poller)}
    for {_, poller} <- clients, do: poller.stop.()

    figures(samples, at)
  end

  # A poller: its process, how to poll, and how many polls a round has.
  defp polling_client(setting, who, {source, members}, namespace) do
    client = Setting.start_client!(setting, who, source, namespace, members)
    polls = fn count -> Client.call(client, Subject, :polls, [count, @pause_ms], 600_000) end
    poller(Plan.round_ms(setting.plan, members), client.os_pid, polls, fn -> Client.stop(client) end)
  end

  # The same body over the same TLS and HTTP, and nothing made of it: as of now, as both strategies have it, and from the server's
  # cache, as `kubernetes_use_cached_resources` has it.
  defp bare(%{plan: %{size: members}} = setting, {source, members}, namespace) when source != :endpoint_slices do
    for {who, query} <- [bare: "", bare_cached: "&resourceVersion=0"] do
      get = BareGet.start!(setting.server, source, namespace, query)
      round_ms = Plan.round_ms(setting.plan, members)
      {who, poller(round_ms, get.os_pid, &BareGet.gets(get, &1), fn -> BareGet.stop(get) end)}
    end
  end

  defp bare(_setting, _at, _namespace), do: []

  defp poller(round_ms, os_pid, polls, stop) do
    # The first one warms it up, and tells how many fit.
    [_, typical] = polls.(2)
    count = round(round_ms * 1_000 / typical)
    %{os_pid: os_pid, polls: polls, stop: stop, count: count |> max(1) |> min(@most_polls)}
  end

  defp sample(%{server: server}, poller) do
    before = {System.monotonic_time(), Proc.cpu_ns(poller.os_pid), Server.cpu(server)}
    times = poller.polls.(poller.count)
    {began, client, processes} = before
    seconds = System.convert_time_unit(System.monotonic_time() - began, :native, :nanosecond) / 1.0e9

    cpu =
      for {name, now} <- Server.cpu(server), into: %{} do
        {name, max(now - processes[name] - server.idle[name] * seconds, 0) / poller.count}
      end

    %{
      poll_time: Stats.median(times),
      poll_client_cpu: (Proc.cpu_ns(poller.os_pid) - client) / poller.count,
      poll_server_cpu: cpu |> Map.values() |> Enum.sum(),
      processes: cpu
    }
  end

  defp figures(samples, at) do
    for {who, samples} <- Enum.group_by(samples, &elem(&1, 0), &elem(&1, 1)),
        {measure, unit, values} <- columns(samples),
        do: Figure.new(measure, at, who, unit, values)
  end

  defp columns([%{processes: processes} | _] = samples) do
    [
      {:poll_time, :us, Enum.map(samples, & &1.poll_time)},
      {:poll_client_cpu, :ns, Enum.map(samples, & &1.poll_client_cpu)},
      {:poll_server_cpu, :ns, Enum.map(samples, & &1.poll_server_cpu)}
    ] ++
      for name <- Map.keys(processes),
          do: {:"poll_#{name}_cpu", :ns, Enum.map(samples, & &1.processes[name])}
  end
end
