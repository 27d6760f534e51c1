defmodule LibclusterKubernetes.Strategy.RollCallTest do
  # The environment of libcluster is every test's.
  use ExUnit.Case, async: false

  import ExUnit.CaptureLog
  import LibclusterKubernetes.Test.Topology, only: [alone: 1, start: 1]

  alias LibclusterKubernetes.Strategy.RollCall

  setup :alone

  # What is said until it ends, in a VM whose status is each of these, one after the other.
  defp said(statuses) do
    {:ok, agent} = Agent.start_link(fn -> statuses end)
    status = fn -> Agent.get_and_update(agent, fn [status | rest] -> {{status, status}, rest} end) end

    log =
      capture_log(fn ->
        pid = start_supervised!({RollCall, strategy: LibclusterKubernetes.Strategy, wait: 1, status: status})
        ref = Process.monitor(pid)
        assert_receive {:DOWN, ^ref, :process, _, reason} when reason in [:normal, :noproc]
      end)

    assert Agent.get(agent, & &1) == []
    log
  end

  test "of topologies that are configured and not run it says so, once the VM has started", context do
    strategy = LibclusterKubernetes.Strategy
    running = {context.topology, strategy: strategy, config: []}
    others = [missing: [strategy: strategy, config: []], other: [strategy: Cluster.Strategy.Gossip]]
    Application.put_env(:libcluster, :topologies, [running | others])
    on_exit(fn -> Application.delete_env(:libcluster, :topologies) end)
    start(context)

    log = said([:starting, :starting, :started])
    assert [_, " this topology is configured, but no process runs it" <> _] = String.split(log, "[libcluster:missing]")
    refute log =~ "[libcluster:other]"
    refute log =~ "[libcluster:#{context.topology}]"
  end

  test "where none is configured it says nothing" do
    refute said([:started]) =~ "no process runs it"
  end

  test "topologies that are nil are none" do
    Application.put_env(:libcluster, :topologies, nil)
    on_exit(fn -> Application.delete_env(:libcluster, :topologies) end)
    refute said([:started]) =~ "terminating"
    assert LibclusterKubernetes.diagnose(:no_such_topology).topology == :no_such_topology
  end
end
