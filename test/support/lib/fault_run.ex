defmodule LibclusterKubernetes.Test.FaultRun do
  @moduledoc """
  Runs one scenario for one source in one mode, on a server of its own, and says what went wrong.

      A and B are members, and connected
        │ the fault starts, and strikes
        │ the truth changes: C comes, B goes
        │ the fault strikes again                 nobody is disconnected, unless the truth is visible
        ▼ the fault ends
      within 5 s: A and C are connected           A was never touched
        ▼ the topology is stopped
      within 1 s: it and its connection are gone

  Then a second topology on the same server is stopped, or killed, while the fault lasts. All the time the strategy must
  answer system messages.
  """

  alias LibclusterKubernetes.Strategy.Incident
  alias LibclusterKubernetes.Test.{Api, FakeApiserver, Fault, FaultLines, LogRecorder, Prober, Recorder, Topology}

  @a "10.1.0.1"
  @b "10.1.0.2"
  @c "10.1.0.3"
  # Whom some scenarios name though it is no member.
  @d "10.1.0.4"

  @interval 250
  @recovery 5_000
  @stopping 1_000
  @limit 20_000

  @enforce_keys [:scenario, :mode, :source, :server, :api, :account, :token, :log, :elsewhere, :topology]
  defstruct @enforce_keys ++ [:recorder, :supervisor, :pid, :prober, problems: []]

  @doc "Text that every token has in it, so that no part of one goes unnoticed."
  def secret, do: "faultsecret"

  @doc "The result: how long the repair took to show in milliseconds, the kinds that were logged, and what went wrong."
  def run(scenario, mode, source, log) do
    server = FakeApiserver.start!()

    try do
      {run, result} = scenario |> new(mode, source, server, log) |> first() |> second()
      reports = leaks_to_elsewhere(run) ++ Enum.reverse(run.problems)
      Map.merge(result, %{mode: mode, source: source, problems: reports})
    catch
      kind, reason ->
        problem = Exception.format(kind, reason, __STACKTRACE__)
        %{mode: mode, source: source, ms: nil, kinds: [], problems: [problem]}
    after
      FakeApiserver.stop(server)
    end
  end

  defp new(scenario, mode, source, server, log) do
    api = Api.new(server, source)
    token = String.duplicate(secret(), 20) <> "#{System.unique_integer([:positive])}"
    allow(server, token)
    File.write!(Path.join(api.service_account, "token"), token)
    File.cp_r!(api.service_account, api.service_account <> "-good")
    {:ok, elsewhere} = :gen_tcp.listen(0, ip: {127, 0, 0, 1})

    %__MODULE__{
      scenario: scenario,
      mode: mode,
      source: source,
      server: server,
      api: api,
      account: api.service_account,
      token: token,
      log: log,
      elsewhere: elsewhere,
      topology: :"faults_#{System.unique_integer([:positive])}"
    }
  end

  @doc "Makes the server accept this token."
  def allow(server, token),
    do: FakeApiserver.token(server, token, [%{verbs: ["*"], resources: ["*"], namespaces: ["*"]}])

  @doc "The port of somebody else's server, to which nothing may be sent."
  def elsewhere_port(run) do
    {:ok, port} = :inet.port(run.elsewhere)
    port
  end

  # The whole way of a fault.
  defp first(run) do
    scenario = run.scenario
    run = run |> start(run.topology, scenario.config) |> become_members()
    logged = length(LogRecorder.lines(run.log, run.topology))
    mark = mark(run)
    Fault.start(scenario.fault, run)
    if scenario.change == :first, do: change(run)
    await_strike(run, mark)
    run = if scenario.change == :first, do: run, else: check_quiet(run)
    mark = mark(run)
    if scenario.change == :during, do: change(run)
    if scenario.again?, do: await_strike(run, mark)
    if scenario.hold, do: Prober.await_probes(run.prober, scenario.hold)
    run = if scenario.truth == :hidden, do: check_quiet(run), else: run
    if scenario.truth == :visible and scenario.change != :after, do: await_visible(run)
    run = check_status(run)

    Fault.repair(scenario.fault, run)
    ended = now()
    if scenario.change == :after, do: change(run)
    {run, ms} = if scenario.patience == :forever, do: {run, nil}, else: await_right(run, ended)
    run = run |> check_status() |> check_calls() |> stop() |> check_closed("after the stop")
    {kinds, wrong} = FaultLines.check(scenario, Enum.drop(LogRecorder.lines(run.log, run.topology), logged))
    run = Enum.reduce(wrong, run, &problem(&2, &1))
    {run, %{ms: ms, kinds: kinds}}
  end

  # Stopped or killed while the fault lasts; in poll mode it has also started while it lasted.
  defp second({%{scenario: %{second?: false}} = run, result}), do: {run, result}

  defp second({run, result}) do
    # The longest that an answer may take must not be what ends it.
    config = Keyword.put(run.scenario.config, :kubernetes_request_timeout, 60_000)
    topology = :"#{run.topology}_again"
    run = if run.mode == :poll, do: run, else: start(run, topology, config)
    await_heard(run)
    asked = FakeApiserver.summary(run.server)
    Fault.start(run.scenario.fault, run)
    run = if run.mode == :poll, do: start(run, topology, config), else: run
    await_met(run, asked)
    run = check_status(run)
    kill? = rem(:erlang.phash2({run.scenario.name, run.source, run.mode}), 2) == 0
    run = if kill?, do: kill(run), else: stop(run)
    {check_closed(run, "when it ended while the fault lasted"), result}
  end

  ## Topologies

  defp start(run, topology, config) do
    {:ok, recorder} = Recorder.start_link()

    defaults = [
      # Of its own: what another topology of this VM holds is not disconnected.
      kubernetes_node_basename: run.topology,
      kubernetes_ip_lookup_mode: run.source,
      kubernetes_watch: if(run.mode == :poll, do: false, else: :auto),
      polling_interval: @interval,
      kubernetes_disconnect_after: 0
    ]

    state = Topology.state(run.api, recorder, Keyword.merge(defaults, config), topology)
    {:ok, supervisor} = Supervisor.start_link([], strategy: :one_for_one)
    {time, {:ok, pid}} = timed(fn -> Supervisor.start_child(supervisor, Topology.child_spec(state)) end)
    Process.monitor(pid)
    {:ok, prober} = Prober.start_link(pid)
    run = %{run | recorder: recorder, supervisor: supervisor, pid: pid, prober: prober}
    if time > @stopping, do: problem(run, "the start took #{time} ms"), else: run
  end

  # B comes when the watch is open: a stream that has been heard is not taken for a failed one when it is cut.
  defp become_members(run) do
    # The history begins with nobody: whoever goes back to it must not believe it.
    Api.members(run.api, [])
    Api.members(run.api, [@a])
    await_connected(run, [@a])
    await_watching(run)
    Api.members(run.api, [@a, @b])
    await_connected(run, [@a, @b])
    Topology.wait_until(fn -> not Incident.lasts?(:sys.get_state(run.pid).incident) end, @limit)
    flush()
    run
  end

  defp await_watching(%{mode: :poll}), do: :ok
  defp await_watching(run), do: FakeApiserver.await(run.server, "watches_open=1")

  defp await_heard(%{mode: :poll}), do: :ok

  defp await_heard(run) do
    await_watching(run)
    FakeApiserver.bookmark(run.server)
  end

  defp stop(run) do
    run = check_prober(run)
    {time, :ok} = timed(fn -> Supervisor.stop(run.supervisor) end)
    if time > @stopping, do: problem(run, "the stop took #{time} ms"), else: check_death(run, [:shutdown])
  end

  # An end that nobody planned, with a crash report.
  defp kill(run) do
    run = check_prober(run)
    {time, :ok} = timed(fn -> :sys.terminate(run.pid, :killed_by_the_test, @stopping) end)
    run = check_death(run, [:killed_by_the_test])
    Supervisor.stop(run.supervisor)
    if time > @stopping, do: problem(run, "the end took #{time} ms"), else: run
  end

  ## The fault

  # How often it has struck so far: the errors that the strategy was told, or a counter of the server.
  defp mark(%{scenario: %{struck: :none}}), do: nil
  defp mark(%{scenario: %{struck: :error}} = run), do: errors(run)
  defp mark(%{scenario: %{struck: {counter, _count}}} = run), do: FakeApiserver.summary(run.server)[counter]

  defp await_strike(%{scenario: %{struck: :none}}, _mark), do: :ok

  defp await_strike(%{scenario: %{struck: struck}} = run, mark) do
    count = if struck == :error, do: 1, else: elem(struck, 1)
    limit = @limit + 2_000 * count
    wait_until(run, "the fault strikes (#{inspect(struck)})", fn -> mark(run) >= mark + count end, limit)
  end

  # The second topology: an error, a complete answer, or what it is to hang in.
  defp await_met(%{scenario: %{hangs: nil}} = run, _asked) do
    wait_until(run, "the fault meets the second topology", fn ->
      state = :sys.get_state(run.pid)
      Incident.lasts?(state.incident) or state.membership.answered?
    end)
  end

  defp await_met(%{scenario: %{hangs: counter}} = run, asked) do
    wait_until(run, "the second topology hangs", fn -> FakeApiserver.summary(run.server)[counter] > asked[counter] end)
  end

  defp errors(run), do: :sys.get_state(run.pid).incident.errors

  # Other objects than those of the members stay.
  defp change(%{source: :pods} = run) do
    Api.put(run.api, Api.pod_name(@c), [@c])
    Api.delete(run.api, Api.pod_name(@b))
  end

  defp change(run), do: Api.members(run.api, [@a, @c])

  ## What must be so

  defp await_visible(run) do
    wait_until(run, "the truth shows while the fault lasts", fn -> connected(run) == nodes(run, [@a, @c]) end)
  end

  defp check_quiet(run) do
    case Enum.reject(flush(), &stranger?(run, &1)) do
      [] -> run
      calls -> problem(run, "while the fault lasted: #{inspect(calls)}")
    end
  end

  defp await_right(run, ended) do
    limit = @recovery + run.scenario.patience
    right = nodes(run, [@a, @c])

    try do
      Topology.wait_until(fn -> connected(run) == right end, max(0, ended + limit - now()))
      ms = now() - ended

      Topology.wait_until(
        fn -> not Incident.lasts?(:sys.get_state(run.pid).incident) end,
        max(0, ended + limit - now())
      )

      {run, ms}
    rescue
      _ in RuntimeError ->
        state = :sys.get_state(run.pid)
        text = "not right #{limit} ms after the end: #{inspect(connected(run))}, #{inspect(state.incident)}"
        {problem(run, text), nil}
    end
  end

  # Whatever was called in all that time: only C may have been connected, and only B disconnected.
  defp check_calls(run) do
    case Enum.reject(flush(), &(truth?(run, &1) or stranger?(run, &1))) do
      [] -> run
      calls -> problem(run, "wrong calls: #{inspect(calls)}")
    end
  end

  defp truth?(run, {:connect, node, true}), do: [node] == nodes(run, [@c])
  defp truth?(run, {:disconnect, node}), do: [node] == nodes(run, [@b])
  defp truth?(_run, _other), do: false

  # Whom an answer has named, though it is no member.
  defp stranger?(run, {:connect, node, true}), do: [node] == nodes(run, [@d])
  defp stranger?(run, {:disconnect, node}), do: [node] == nodes(run, [@d])
  defp stranger?(_run, _other), do: false

  defp check_prober(run) do
    case Prober.stop(run.prober) do
      {_worst, true} -> run
      {worst, false} -> problem(run, "a system message was answered after #{worst} ms")
    end
  end

  defp check_death(run, reasons) do
    pid = run.pid

    receive do
      {:DOWN, _, :process, ^pid, reason} ->
        if reason in reasons, do: run, else: problem(run, "it died before: #{inspect(reason)}")
    after
      @stopping -> problem(run, "it lives on")
    end
  end

  defp check_closed(run, when_) do
    FakeApiserver.await(run.server, "connections_open=0", @stopping)
    run
  rescue
    _ in RuntimeError -> problem(run, "connections are open #{when_}: #{inspect(FakeApiserver.summary(run.server))}")
  end

  defp check_status(run) do
    status = inspect([:sys.get_status(run.pid), :sys.get_state(run.pid)], limit: :infinity, printable_limit: :infinity)
    if String.contains?(status, secret()), do: problem(run, "the token is in :sys.get_status"), else: run
  end

  defp leaks_to_elsewhere(run) do
    case :gen_tcp.accept(run.elsewhere, 0) do
      {:error, :timeout} -> []
      {:ok, _socket} -> ["somebody else's server was connected to"]
    end
  end

  ## Below

  defp await_connected(run, ips) do
    wait_until(run, "#{inspect(ips)} are connected", fn -> connected(run) == nodes(run, ips) end)
  end

  defp connected(run), do: run.recorder |> Recorder.list_nodes() |> Enum.sort()

  # What the members are called in the naming mode of the scenario.
  defp nodes(run, ips) do
    ips |> Enum.map(&:"#{run.topology}@#{host(run.scenario.config[:mode], &1)}") |> Enum.sort()
  end

  defp host(nil, ip), do: ip
  defp host(:dns, ip), do: "#{String.replace(ip, ".", "-")}.default.pod.cluster.local"
  defp host(:hostname, ip), do: "#{FakeApiserver.hostname(ip)}.headless.default.svc.cluster.local"

  defp wait_until(run, what, condition, limit \\ @limit) do
    Topology.wait_until(condition, limit)
  rescue
    error in RuntimeError ->
      state = inspect(:sys.get_state(run.pid).incident)
      reraise "#{what}: #{error.message}; #{state}, #{inspect(FakeApiserver.summary(run.server))}", __STACKTRACE__
  end

  defp flush do
    receive do
      {call, _, _} = message when call == :connect -> [message | flush()]
      {:disconnect, _} = message -> [message | flush()]
    after
      0 -> []
    end
  end

  defp timed(fun) do
    {time, result} = :timer.tc(fun)
    {div(time, 1_000), result}
  end

  defp problem(run, text), do: %{run | problems: [text | run.problems]}
  defp now, do: System.monotonic_time(:millisecond)
end
