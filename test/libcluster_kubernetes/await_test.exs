defmodule LibclusterKubernetes.AwaitTest do
  use ExUnit.Case, async: true

  import ExUnit.CaptureLog
  import LibclusterKubernetes, only: [await: 1, await: 2]
  import LibclusterKubernetes.Test.FakeApiserver, only: [endpoints: 1]

  alias LibclusterKubernetes.Await
  alias LibclusterKubernetes.Test.{FakeApiserver, Recorder, Topology}

  setup context, do: Topology.alone(context)

  defp spec(context, config \\ []) do
    Topology.child_spec(Topology.state(context.server, context.recorder, config, context.topology))
  end

  defp members(context, ips), do: FakeApiserver.put(context.server, "endpoints", "app", endpoints(ips))

  describe "await/2 without :peers" do
    test "is over when everybody of the first answer is connected or was tried", context do
      members(context, ["10.0.0.1", "10.0.0.2"])
      Recorder.unreachable(context.recorder, [:"app@10.0.0.2"])
      start_supervised!(spec(context))
      assert await(context.topology) == :answered
      assert_received {:connect, :"app@10.0.0.1", true}
      assert_received {:connect, :"app@10.0.0.2", false}
    end

    test "is over when the answer names nobody", context do
      start_supervised!(spec(context))
      assert await(context.topology) == :answered
    end

    test "an error is no answer", context do
      FakeApiserver.faults(context.server, [%{at: "request", do: %{status: %{code: 403}}}])
      start_supervised!(spec(context))
      assert await(context.topology, timeout: 300) == :timeout
      FakeApiserver.no_faults(context.server)
      assert await(context.topology) == :answered
    end
  end

  describe "await/2 with :peers" do
    test "is over when so many are connected, whenever they come", context do
      members(context, ["10.0.0.1"])
      start_supervised!(spec(context))
      assert await(context.topology, peers: 1) == :peers
      assert await(context.topology, peers: 2, timeout: 100) == :timeout

      waiting = Task.async(fn -> await(context.topology, peers: 2) end)
      members(context, ["10.0.0.1", "10.0.0.2"])
      assert Task.await(waiting) == :peers
    end

    test "a topology that starts later, or again, is waited for", context do
      members(context, ["10.0.0.1"])
      waiting = Task.async(fn -> await(context.topology, peers: 1) end)
      pid = start_supervised!(%{spec(context) | restart: :permanent})
      assert Task.await(waiting) == :peers

      waiting = Task.async(fn -> await(context.topology, peers: 2) end)
      Topology.wait_until(fn -> :sys.get_state(pid).waiters != [] end)
      Process.exit(pid, :kill)
      members(context, ["10.0.0.1", "10.0.0.2"])
      assert Task.await(waiting) == :peers
    end

    test "nobody waits any longer when the time is over", context do
      pid = start_supervised!(spec(context))
      assert await(context.topology, peers: 1, timeout: 50) == :timeout
      assert :sys.get_state(pid).waiters == []
    end
  end

  test "a topology that is not there is a timeout", context do
    assert await(context.topology, timeout: 50) == :timeout
    assert await(context.topology, timeout: 0) == :timeout
  end

  describe "as a child" do
    test "the next child starts when the cluster is there", context do
      members(context, ["10.0.0.1"])
      test = self()
      next = %{id: :next, start: {Task, :start_link, [fn -> send(test, {:next, self()}) end]}}
      children = [spec(context), {Await, topology: context.topology, peers: 1}, next]
      start_supervised!(%{id: :all, start: {Supervisor, :start_link, [children, [strategy: :one_for_one]]}})
      assert_received {:connect, :"app@10.0.0.1", true}
      assert_receive {:next, _}
    end

    test "a timeout is logged, and the start goes on", context do
      log = capture_log(fn -> assert Await.start_link(topology: context.topology, peers: 3, timeout: 10) == :ignore end)
      assert log =~ "peers: 3"
      assert log =~ "diagnose"
    end
  end
end
