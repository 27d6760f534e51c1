defmodule LibclusterKubernetes.StrategyTest do
  # The addresses are no other test's: what another topology of this VM holds is not disconnected.
  use ExUnit.Case, async: true

  import ExUnit.CaptureLog

  import LibclusterKubernetes.Test.Topology,
    only: [
      await_lists: 2,
      connected: 3,
      members: 2,
      members: 3,
      start: 1,
      start: 2,
      start: 3,
      wait_until: 1,
      wait_until: 2
    ]

  alias LibclusterKubernetes.Strategy.{Dialing, State, Topologies}
  alias LibclusterKubernetes.Test.{FakeApiserver, Log, Recorder, Topology}

  setup context, do: Topology.alone(context)

  defp ticks_without_a_try?(server, ticks) do
    await_lists(server, ticks)
    tries = flush_tries(0)
    tries == 0
  end

  defp flush_tries(count) do
    receive do
      {:connect, _, _} -> flush_tries(count + 1)
    after
      0 -> count
    end
  end

  describe "connecting" do
    test "connects to the members, to those that come, and again to those that were lost", context do
      members(context, ["10.3.0.1", "10.3.0.2"])
      start(context)
      assert_receive {:connect, :"app@10.3.0.1", true}
      assert_receive {:connect, :"app@10.3.0.2", true}

      members(context, ["10.3.0.1", "10.3.0.2", "10.3.0.3"])
      assert_receive {:connect, :"app@10.3.0.3", true}

      Recorder.lose(context.recorder, :"app@10.3.0.1")
      assert_receive {:connect, :"app@10.3.0.1", true}
      refute_received {:disconnect, _}
    end

    test "a change that does not follow the last one is not believed: it is said, and everything is asked for anew",
         context do
      members(context, ["10.3.0.1", "10.3.0.2"])
      pid = start(context, kubernetes_watch: :auto)
      for number <- 1..2, node = :"app@10.3.0.#{number}", do: assert_receive({:connect, ^node, true})
      %{ref: ref, changes: changes, membership: known} = :sys.get_state(pid)
      lists = FakeApiserver.summary(context.server)["lists"]
      news = %{ready: [], not_ready: [], draining: []}

      log =
        capture_log(fn ->
          send(pid, {:libcluster_kubernetes, ref, {:changed, {changes + 1, 2}, ["app@10.3.0.1"], news}})
          wait_until(fn -> :sys.get_state(pid).ref != ref end)
        end)

      assert log =~
               "change #{changes + 1}, after which there are 2 members, came where change #{changes + 1} would make it 1"

      wait_until(fn -> :sys.get_state(pid).changes == 0 and FakeApiserver.summary(context.server)["lists"] > lists end)
      assert :sys.get_state(pid).membership.present == known.present

      members(context, ["10.3.0.1", "10.3.0.2", "10.3.0.3"])
      assert_receive {:connect, :"app@10.3.0.3", true}
      refute_received {:disconnect, _}
    end

    test "does not connect to what is not ready, unless asked to", context do
      members(context, [], not_ready: ["10.3.0.1"])
      start(context)
      await_lists(context.server, 3)
      refute_received {:connect, _, _}

      start(context, [kubernetes_include_not_ready: true], :eager)
      assert_receive {:connect, :"app@10.3.0.1", true}
    end

    test "a connect that hangs or raises holds up nobody, and the strategy answers meanwhile", context do
      members(context, ["10.3.0.1", "10.3.0.2", "10.3.0.3"])
      test = self()

      connect = fn
        :"app@10.3.0.1" ->
          Process.sleep(:infinity)

        :"app@10.3.0.2" ->
          raise "broken"

        node ->
          send(test, {:connect, node, true})
          true
      end

      state = Topology.state(context.server, context.recorder)

      log =
        capture_log(fn ->
          pid = start_supervised!(Topology.child_spec(%{state | connect: {__MODULE__, :call, [connect]}}))
          assert_receive {:connect, :"app@10.3.0.3", true}
          assert %State{} = :sys.get_state(pid, 100)
          wait_until(fn -> Dialing.tried?(:sys.get_state(pid, 100).dialing, "app@10.3.0.2") end)
        end)

      assert log =~ "connecting to app@10.3.0.2 failed"
      assert log =~ "broken"
    end

    test "a connect that raises is logged when that begins, not with each try", context do
      members(context, ["10.3.0.1"])
      test = self()

      connect = fn node ->
        send(test, {:connect, node, false})
        raise "broken"
      end

      state = Topology.state(context.server, context.recorder)

      log =
        capture_log(fn ->
          pid = start_supervised!(Topology.child_spec(%{state | connect: {__MODULE__, :call, [connect]}}))
          for _ <- 1..5, do: assert_receive({:connect, :"app@10.3.0.1", false}, 5_000)
          wait_until(fn -> Dialing.tried?(:sys.get_state(pid).dialing, "app@10.3.0.1") end)
        end)

      assert log |> String.split("connecting to app@10.3.0.1 failed") |> length() == 2
    end

    test "a connect that raises with each member is logged once, not for each of them", context do
      members(context, for(number <- 1..50, do: "10.3.0.#{number}"))
      state = Topology.state(context.server, context.recorder)

      log =
        capture_log(fn ->
          pid =
            start_supervised!(
              Topology.child_spec(%{state | connect: {__MODULE__, :call, [fn _node -> raise "broken" end]}})
            )

          tried? = fn number -> Dialing.tried?(:sys.get_state(pid).dialing, "app@10.3.0.#{number}") end
          wait_until(fn -> Enum.all?(1..50, tried?) end)
        end)

      assert log |> String.split("failed: ** (RuntimeError) broken") |> length() == 2
    end

    test "a list_nodes that raises ends no topology, and is said when that begins", context do
      members(context, ["10.3.0.1"])
      state = Topology.state(context.server, context.recorder, [kubernetes_disconnect_after: 0], context.topology)
      raising = :atomics.new(1, [])

      list_nodes = fn recorder ->
        if :atomics.get(raising, 1) == 1, do: raise("broken"), else: Recorder.list_nodes(recorder)
      end

      state = %{state | list_nodes: {__MODULE__, :call, [list_nodes, context.recorder]}}

      log =
        capture_log(fn ->
          pid = start_supervised!(Topology.child_spec(state))
          assert_receive {:connect, :"app@10.3.0.1", true}
          await_lists(context.server, 2)
          :atomics.put(raising, 1, 1)
          members(context, ["10.3.0.2"])
          await_lists(context.server, 10)
          assert {:ok, %{members: [_, _]}} = LibclusterKubernetes.info(context.topology)
          refute_received {:disconnect, _}
          :atomics.put(raising, 1, 0)
          assert_receive {:disconnect, :"app@10.3.0.1"}
          assert_receive {:connect, :"app@10.3.0.2", true}
          assert Topologies.whereis(context.topology) == pid
        end)

      assert log |> String.split("list_nodes failed: ** (RuntimeError) broken") |> length() == 2
    end

    test "a disconnect that raises is logged when that begins, not with each try", context do
      test = self()
      calls = :counters.new(1, [])

      disconnect = fn node ->
        :counters.add(calls, 1, 1)
        send(test, {:disconnect, node})
        # It works, fails twice, works again and fails for good: this begins two times.
        if :counters.get(calls, 1) in [1, 4], do: :ok, else: raise("broken")
      end

      members(context, ["10.3.0.1", "10.3.0.2"])
      state = Topology.state(context.server, context.recorder, kubernetes_disconnect_after: 0)

      log =
        capture_log(fn ->
          start_supervised!(Topology.child_spec(%{state | disconnect: {__MODULE__, :call, [disconnect]}}))
          for ip <- 1..2, node = :"app@10.3.0.#{ip}", do: assert_receive({:connect, ^node, true})
          members(context, ["10.3.0.2"])
          for _ <- 1..7, do: assert_receive({:disconnect, :"app@10.3.0.1"})
        end)

      assert log |> String.split("disconnect failed: ** (RuntimeError) broken") |> length() == 3
    end

    test "what a connect of somebody's own links lives on when it has connected", context do
      test = self()

      connect = fn _node ->
        pid = spawn_link(fn -> receive(do: (:alive? -> send(test, :alive))) end)
        send(test, {:linked, pid, self()})
        true
      end

      members(context, ["10.3.0.1"])
      state = %{Topology.state(context.server, context.recorder) | connect: {__MODULE__, :call, [connect]}}
      start_supervised!(Topology.child_spec(state))
      assert_receive {:linked, pid, job}
      monitor = Process.monitor(job)
      assert_receive {:DOWN, ^monitor, :process, ^job, _}
      send(pid, :alive?)
      assert_receive :alive
    end

    test "an unreachable node is tried ever more rarely", context do
      Recorder.unreachable(context.recorder, [:"app@10.3.0.1"])
      members(context, ["10.3.0.1"])
      start(context)
      assert_receive {:connect, :"app@10.3.0.1", false}
      assert_receive {:connect, :"app@10.3.0.1", false}
      # At last several ticks pass without a try, and then there is one.
      wait_until(fn -> ticks_without_a_try?(context.server, 5) end, 20_000)
      assert_receive {:connect, :"app@10.3.0.1", false}, 10_000

      Recorder.unreachable(context.recorder, [])
      assert_receive {:connect, :"app@10.3.0.1", true}, 5_000
    end

    test "a member whose VM may still be starting is no warning, and an event of libcluster all the same", context do
      test = self()
      handler = fn _event, _measurements, metadata, _config -> send(test, {:failed, metadata}) end
      :ok = :telemetry.attach("quiet-test", [:libcluster, :connect_node, :error], handler, nil)
      Recorder.unreachable(context.recorder, [:"app@10.3.0.1"])
      members(context, ["10.3.0.1"])

      log =
        Log.naming("[libcluster:quiet]", fn ->
          start(context, [], :quiet)
          for _ <- 1..3, do: assert_receive({:failed, %{topology: :quiet, node: :"app@10.3.0.1", reason: :unreachable}})
          Recorder.unreachable(context.recorder, [])
          assert_receive {:connect, :"app@10.3.0.1", true}
          wait_until(fn -> match?({:ok, %{members: [%{connected?: true}]}}, LibclusterKubernetes.info(:quiet)) end)
        end)

      :telemetry.detach("quiet-test")
      refute log =~ "unable to connect"
      assert log =~ ~s([libcluster:quiet] connected to :"app@10.3.0.1")
    end

    test "libcluster's telemetry events are emitted", context do
      test = self()
      handler = fn event, _measurements, metadata, _config -> send(test, {:event, event, metadata}) end
      :ok = :telemetry.attach("strategy-test", [:libcluster, :connect_node, :ok], handler, nil)
      members(context, ["10.3.0.1"])
      start(context, [], :with_telemetry)

      assert_receive {:event, [:libcluster, :connect_node, :ok], %{topology: :with_telemetry, node: :"app@10.3.0.1"}}
      :telemetry.detach("strategy-test")
    end
  end

  describe "a silent API" do
    test "does not hold up start, stop or an answer to a system message", context do
      for at <- ["accept", "request"] do
        FakeApiserver.faults(context.server, [%{at: at, do: "hang"}])
        state = Topology.state(context.server, context.recorder)

        {started, {:ok, supervisor}} =
          :timer.tc(fn -> Supervisor.start_link([Topology.child_spec(state)], strategy: :one_for_one) end)

        wait_until(fn -> FakeApiserver.summary(context.server)["connections_open"] > 0 end)

        [{_, pid, _, _}] = Supervisor.which_children(supervisor)
        assert %State{} = :sys.get_state(pid, 100)

        {stopped, :ok} = :timer.tc(fn -> Supervisor.stop(supervisor) end)
        assert started < 1_000_000 and stopped < 1_000_000
        wait_until(fn -> FakeApiserver.summary(context.server)["connections_open"] == 0 end)
      end
    end
  end

  describe "options" do
    test "a wrong option stops the start with a message that a newcomer understands", context do
      state = Topology.state(context.server, context.recorder, kubernetes_node_basename: "my@app")
      Process.flag(:trap_exit, true)

      assert {:error, {:shutdown, {:failed_to_start_child, :k8s, reason}}} =
               Supervisor.start_link([Topology.child_spec(state)], strategy: :one_for_one)

      assert {:EXIT, {%ArgumentError{message: message}, _stack}} = reason
      assert message =~ ~s|topology :k8s: the option kubernetes_node_basename is "my@app", but must be|
    end

    # As an environment variable is that is not set outside of Kubernetes: the stock strategy starts with it, too.
    test "a basename or selector that is nil starts a topology that asks for nothing", context do
      for option <- [:kubernetes_node_basename, :kubernetes_selector] do
        log =
          capture_log(fn ->
            start(context, [{option, nil}])
            assert LibclusterKubernetes.await(context.topology) == {:error, :timeout}
            assert {:ok, %{mode: :idle}} = LibclusterKubernetes.info(context.topology)
            stop_supervised!(context.topology)
          end)

        assert log =~ "#{option} is nil, so that this topology asks for nothing and finds nobody"
      end

      assert FakeApiserver.summary(context.server)["connections_accepted"] == 0
    end

    test "an unknown option is logged", context do
      log =
        capture_log(fn ->
          start(context, kubernetes_pod_selector: "app=app")
          await_lists(context.server, 1)
        end)

      assert log =~ "the option kubernetes_pod_selector is not known and has no effect"
    end
  end

  describe "polling" do
    test "keeps its connection and asks for what the options say", context do
      connected(context, ["10.3.0.1"], kubernetes_selector: "app in (app, web)", kubernetes_use_cached_resources: true)
      FakeApiserver.clear_journal(context.server)
      await_lists(context.server, 5)

      assert %{"handshakes_completed" => 0} = FakeApiserver.summary(context.server)
      requests = FakeApiserver.journal(context.server)
      assert [_] = requests |> Enum.map(& &1["connection"]) |> Enum.uniq()

      for request <- requests do
        assert request["path"] == "/api/v1/namespaces/default/endpoints"
        assert request["query"] == %{"labelSelector" => "app in (app, web)", "resourceVersion" => "0"}
        assert request["headers"]["authorization"] == true
      end
    end
  end

  @doc false
  def call(function, node), do: function.(node)
end
