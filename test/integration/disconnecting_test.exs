defmodule LibclusterKubernetes.DisconnectingTest do
  # Which members the strategy lets go of, and when: the answers are of a fake API server, the nodes are names.
  # The addresses are no other test's: what another topology of this VM holds is not disconnected.
  use ExUnit.Case, async: true

  import ExUnit.CaptureLog
  import LibclusterKubernetes.Test.FakeApiserver, only: [endpoints: 2]

  import LibclusterKubernetes.Test.Topology,
    only: [await_lists: 2, connected: 3, members: 2, members: 3, start: 3, wait_until: 1]

  alias LibclusterKubernetes.Test.{FakeApiserver, Log, Recorder, Topology}

  setup context, do: Topology.alone(context)

  test "a member is disconnected only after it has been absent for kubernetes_disconnect_after", context do
    connected(context, ["10.4.0.1", "10.4.0.2", "10.4.0.3"], kubernetes_disconnect_after: 300)

    written = System.monotonic_time(:millisecond)
    members(context, ["10.4.0.1", "10.4.0.3"])
    assert_receive {:disconnect, :"app@10.4.0.2"}
    assert System.monotonic_time(:millisecond) - written >= 300
    refute_received {:disconnect, _}
  end

  test "a member that is back in time, not ready or draining, is never disconnected", context do
    connected(context, ["10.4.0.1"], kubernetes_disconnect_after: 1_000)

    members(context, [])
    await_lists(context.server, 2)
    members(context, [], not_ready: ["10.4.0.1"])
    # For longer than it may be absent.
    await_lists(context.server, 40)
    refute_received {:disconnect, _}
  end

  test "0 disconnects at once, :never does not at all", context do
    {:ok, other} = Recorder.start_link(self())
    members(context, ["10.4.0.1"])
    start(context, [kubernetes_disconnect_after: :never], :never)
    assert_receive {:connect, :"app@10.4.0.1", true}
    members(context, [])
    await_lists(context.server, 5)
    refute_received {:disconnect, _}

    stop_supervised!(:never)
    members(context, ["10.4.0.1"])
    start(%{context | recorder: other}, [kubernetes_disconnect_after: 0], :at_once)
    assert_receive {:connect, :"app@10.4.0.1", true}
    members(context, [])
    assert_receive {:disconnect, :"app@10.4.0.1"}
  end

  test "a node that another topology of this VM holds stays connected", context do
    held = endpoints(["10.4.0.1"], labels: %{app: "app", part: "one"})
    rest = endpoints(["10.4.0.2", "10.4.0.3"], labels: %{app: "app", part: "one"})
    FakeApiserver.put(context.server, "endpoints", "one", held)
    FakeApiserver.put(context.server, "endpoints", "rest", rest)
    FakeApiserver.put(context.server, "endpoints", "two", endpoints(["10.4.0.1"], labels: %{app: "app", part: "two"}))
    start(context, [kubernetes_selector: "part=two"], :two)
    start(context, [kubernetes_selector: "part=one"], :one)
    for ip <- 1..3, node = :"app@10.4.0.#{ip}", do: assert_receive({:connect, ^node, true})
    await_lists(context.server, 4)

    FakeApiserver.delete(context.server, "endpoints", "one")
    await_lists(context.server, 30)
    refute_received {:disconnect, _}

    stop_supervised!(:two)
    assert_receive {:disconnect, :"app@10.4.0.1"}
    refute_received {:disconnect, _}
  end

  test "whoever is disconnected at once is said to be so by libcluster, and by nothing else", context do
    test = self()
    topology = context.topology
    id = "strategy-test-once"
    handler = fn _event, _measurements, metadata, _config -> send(test, {:disconnected, metadata}) end
    :ok = :telemetry.attach(id, [:libcluster, :disconnect_node, :ok], handler, nil)
    on_exit(fn -> :telemetry.detach(id) end)

    log =
      Log.naming(topology, fn ->
        connected(context, ["10.4.0.1", "10.4.0.2"], kubernetes_disconnect_after: 0)
        members(context, ["10.4.0.2"])
        assert_receive {:disconnected, %{topology: ^topology, node: :"app@10.4.0.1"}}
        wait_until(fn -> match?({:ok, %{members: [_]}}, LibclusterKubernetes.info(topology)) end)
      end)

    refute_received {:disconnected, %{topology: ^topology}}
    refute log =~ "is gone"
  end

  for disconnect_after <- [0, 100] do
    @tag disconnect_after: disconnect_after
    test "two topologies that both lose a node do not keep it for each other: #{disconnect_after}", context do
      members(context, ["10.4.0.1", "10.4.0.2", "10.4.0.3"])

      for name <- [:both_one, :both_two],
          do: start(context, [kubernetes_disconnect_after: context.disconnect_after], name)

      for ip <- 1..3, node = :"app@10.4.0.#{ip}", do: assert_receive({:connect, ^node, true})
      await_lists(context.server, 4)

      members(context, ["10.4.0.2", "10.4.0.3"])
      assert_receive {:disconnect, :"app@10.4.0.1"}, 5_000
    end
  end

  for {name, left, why} <- [
        {"is empty", [], "is empty"},
        {"names nobody of this cluster", ["10.4.0.8", "10.4.0.9"], "names nobody of this cluster of 4"},
        {"lacks more than half of it", ["10.4.0.1", "10.4.0.9"], "3 of this cluster of 4, which is more than half"}
      ] do
    test "nobody is disconnected by an answer that #{name}, which is said once and shown", context do
      ips = ["10.4.0.1", "10.4.0.2", "10.4.0.3"]
      Recorder.unreachable(context.recorder, [:"app@10.4.0.8", :"app@10.4.0.9"])

      log =
        Log.naming(context.topology, fn ->
          pid = connected(context, ips, kubernetes_disconnect_after: 50)
          members(context, unquote(left))
          # Judged, and judged again.
          wait_until(fn ->
            Enum.any?(:sys.get_state(pid).membership.absent, fn {_, absence} -> absence.judged > 1 end)
          end)

          assert %{held_back: %{members: ["app@10.4.0." <> _ | _], since: %DateTime{}}} = GenServer.call(pid, :info)
          members(context, ips)
          wait_until(fn -> GenServer.call(pid, :info).held_back == nil end)
        end)

      assert [_, _] = String.split(log, "no longer in the answers")
      assert log =~ unquote(why)
      refute_received {:disconnect, _}
    end
  end

  test "a list that fails disconnects nobody, and the watch goes on", context do
    log =
      capture_log(fn ->
        pid =
          connected(context, ["10.4.0.1", "10.4.0.2", "10.4.0.3"],
            kubernetes_watch: :auto,
            kubernetes_disconnect_after: 100
          )

        wait_until(fn -> :sys.get_state(pid).activity.mode == :watch end)
        FakeApiserver.faults(context.server, [%{at: "request", verb: "list", do: %{status: %{code: 500}}}])
        members(context, ["10.4.0.1", "10.4.0.3"])
        wait_until(fn -> GenServer.call(pid, :info).held_back != nil end)
        assert GenServer.call(pid, :info).held_back.reason == {:failed, :server}
        members(context, ["10.4.0.1", "10.4.0.3", "10.4.0.4"])
        assert_receive {:connect, :"app@10.4.0.4", true}
        refute_received {:disconnect, _}
        FakeApiserver.no_faults(context.server)
        assert_receive {:disconnect, :"app@10.4.0.2"}, 10_000
      end)

    assert log =~ "the list that is to confirm it failed"
  end

  test "a node that was never in an answer is not disconnected", context do
    Recorder.connect(context.recorder, :"other@10.9.9.9")
    connected(context, ["10.4.0.1"], kubernetes_disconnect_after: 0)
    await_lists(context.server, 3)
    refute_received {:disconnect, _}
  end
end
