defmodule LibclusterKubernetes.ReadinessTest do
  use ExUnit.Case, async: true

  import LibclusterKubernetes.Test.FakeApiserver, only: [endpoints: 1, endpoints: 2]

  alias LibclusterKubernetes.Readiness
  alias LibclusterKubernetes.Test.{FakeApiserver, Recorder, Topology}

  doctest LibclusterKubernetes, only: [ready?: 1]

  describe "joined?/1" do
    defp info(members, resource_version \\ "1") do
      members =
        for {standing, connected?} <- members, do: %{name: "app@10.0.0.1", standing: standing, connected?: connected?}

      {:ok, %{resource_version: resource_version, members: members}}
    end

    test "is false without an answer" do
      refute Readiness.joined?({:error, :not_found})
      refute Readiness.joined?(info([], nil))
    end

    test "takes one connection, whoever else cannot be reached" do
      refute Readiness.joined?(info(ready: false, ready: false))
      assert Readiness.joined?(info(ready: false, ready: true))
      assert Readiness.joined?(info(ready: false, not_ready: true))
    end

    test "waits for nobody who is not ready: all may be at their first start" do
      assert Readiness.joined?(info([]))
      assert Readiness.joined?(info(not_ready: false, draining: false))
    end
  end

  describe "LibclusterKubernetes.ready?/1" do
    # The answer stays for as long as the VM lives, so each test has a topology of its own name.
    setup context do
      server = FakeApiserver.start!()
      on_exit(fn -> FakeApiserver.stop(server) end)
      {:ok, recorder} = Recorder.start_link()
      state = Topology.state(server, recorder, [kubernetes_disconnect_after: 0], context.test)
      %{server: server, recorder: recorder, state: state}
    end

    test "is true once somebody is connected, and then stays true", context do
      %{server: server, recorder: recorder, state: state} = context
      Recorder.unreachable(recorder, [:"app@10.0.0.1", :"app@10.0.0.2"])
      FakeApiserver.put(server, "endpoints", "app", endpoints(["10.0.0.1", "10.0.0.2"]))
      refute LibclusterKubernetes.ready?(state.topology)
      start_supervised!(Topology.child_spec(state))
      assert_receive {:connect, _, false}
      assert_receive {:connect, _, false}
      refute LibclusterKubernetes.ready?(state.topology)

      Recorder.unreachable(recorder, [:"app@10.0.0.1"])
      assert_receive {:connect, :"app@10.0.0.2", true}, 10_000
      Topology.wait_until(fn -> LibclusterKubernetes.ready?(state.topology) end)

      Recorder.unreachable(recorder, [:"app@10.0.0.1", :"app@10.0.0.2"])
      Recorder.lose(recorder, :"app@10.0.0.2")
      assert_receive {:connect, :"app@10.0.0.2", false}, 10_000
      assert LibclusterKubernetes.ready?(state.topology)
      stop_supervised!(state.topology)
      assert LibclusterKubernetes.ready?(state.topology)
    end

    test "is false while the API does not answer, and true when it names nobody who is ready", context do
      %{server: server, state: state} = context
      FakeApiserver.put(server, "endpoints", "app", endpoints([], not_ready: ["10.0.0.1"]))
      FakeApiserver.faults(server, [%{at: "request", do: %{status: %{code: 500}}, times: 3}])
      start_supervised!(Topology.child_spec(state))
      refute LibclusterKubernetes.ready?(state.topology)
      Topology.wait_until(fn -> LibclusterKubernetes.ready?(state.topology) end)
      refute_received {:connect, _, _}
    end
  end
end
