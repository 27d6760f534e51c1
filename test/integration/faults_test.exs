defmodule LibclusterKubernetes.FaultsTest do
  # Every fault against the whole; FAULTS="part of a name" runs some, FAULTS_SOURCES=all each for every source
  # (about three times as long).
  use ExUnit.Case, async: false

  alias LibclusterKubernetes.Test.{FakeApiserver, FaultRun, FaultScenarios, LogRecorder, Recorder, Topology}

  @moduletag :linux
  # What is wrong is said in the failure; the lines of all runs would bury it.
  @moduletag capture_log: [level: :emergency]
  @moduletag timeout: 600_000

  # Runs mostly wait for pauses of the strategy.
  @at_once 24

  test "no fault of the API disconnects, crashes, blocks or leaks, and when it ends the cluster is right" do
    log = LogRecorder.start(FaultRun.secret())
    started = System.monotonic_time(:millisecond)
    scenarios = chosen()
    results = run(scenarios, log)
    seconds = div(System.monotonic_time(:millisecond) - started, 1_000)
    assert LogRecorder.stop() == :ok

    IO.puts(["\n", table(scenarios, results)])
    IO.puts("#{length(scenarios)} faults, #{length(results)} runs in #{seconds} s")

    problems = for {scenario, result} <- results, problem <- result.problems, do: problem(scenario, result, problem)
    leaks = for event <- LogRecorder.leaks(log), do: "the token was logged: #{inspect(event, limit: 10)}"
    if problems ++ leaks != [], do: flunk(Enum.join(problems ++ leaks, "\n"))
  end

  test "a member that goes while the connection to it is being made is disconnected" do
    server = FakeApiserver.start!()
    {:ok, recorder} = Recorder.start_link()
    FakeApiserver.put(server, "endpoints", "app", FakeApiserver.endpoints(["10.1.0.1"]))
    state = Topology.state(server, recorder, [kubernetes_disconnect_after: 0], :in_flight)
    start_supervised!(Topology.child_spec(%{state | connect: {__MODULE__, :connect_slowly, [self(), recorder]}}))
    assert_receive {:connecting, task}

    FakeApiserver.put(server, "endpoints", "app", FakeApiserver.endpoints([]))
    Topology.await_lists(server, 3)
    send(task, :go_on)
    assert_receive {:connect, :"app@10.1.0.1", true}
    assert_receive {:disconnect, :"app@10.1.0.1"}
    FakeApiserver.stop(server)
  end

  @doc false
  def connect_slowly(test, recorder, node) do
    send(test, {:connecting, self()})

    receive do
      :go_on -> Recorder.connect(recorder, node)
    end
  end

  defp chosen do
    part = String.downcase(System.get_env("FAULTS", ""))
    Enum.filter(FaultScenarios.all(), &String.contains?(String.downcase(&1.name), part))
  end

  defp run(scenarios, log) do
    runs = for it <- scenarios, mode <- it.modes, source <- FaultScenarios.sources(it, mode), do: {it, mode, source}
    run = fn {scenario, mode, source} -> {scenario, FaultRun.run(scenario, mode, source, log)} end

    runs
    |> Enum.sort_by(fn {scenario, _, _} -> -strikes(scenario) end)
    |> Task.async_stream(run, max_concurrency: @at_once, timeout: 180_000)
    |> Enum.map(fn {:ok, result} -> result end)
  end

  # The longest first, so that none of them is left over at the end.
  defp strikes(%{struck: {_counter, count}}), do: count
  defp strikes(_scenario), do: 1

  # One line for each fault: how long after its end the cluster was right, in seconds, and the kinds that were logged.
  defp table(scenarios, results) do
    for scenario <- scenarios do
      own = for {^scenario, result} <- results, do: result
      kinds = own |> Enum.flat_map(& &1.kinds) |> Enum.uniq() |> Enum.join(", ")
      verdict = if Enum.all?(own, &(&1.problems == [])), do: "ok    ", else: "FAILED"
      [verdict, " ", String.pad_trailing(scenario.name, 66), cells(own), "  ", kinds, "\n"]
    end
  end

  defp cells(results) do
    for mode <- [:poll, :watch, :relist] do
      cells = for result <- results, result.mode == mode, do: cell(result)
      String.pad_trailing(Enum.join(cells, " "), 19)
    end
  end

  defp cell(%{ms: nil} = result), do: "#{letter(result)} -"
  defp cell(result), do: "#{letter(result)} #{Float.round(result.ms / 1_000, 1)}"

  defp letter(%{source: :endpoints}), do: "e"
  defp letter(%{source: :endpoint_slices}), do: "s"
  defp letter(%{source: :pods}), do: "p"

  defp problem(scenario, result, text), do: "  * #{scenario.name} (#{result.mode}, #{result.source}): #{text}"
end
