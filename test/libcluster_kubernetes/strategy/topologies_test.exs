defmodule LibclusterKubernetes.Strategy.TopologiesTest do
  use ExUnit.Case, async: true

  alias LibclusterKubernetes.Strategy.{Heir, Topologies}

  defp other(topology, names) do
    test = self()

    pid =
      spawn_link(fn ->
        held = Topologies.enter(topology)
        :ok = Topologies.hold(held, names)
        send(test, {:entered, self()})
        serve(held)
      end)

    assert_receive {:entered, ^pid}
    pid
  end

  defp serve(held) do
    receive do
      {from, fun} ->
        fun.(held)
        send(from, {:done, self()})
        serve(held)

      :stop ->
        :ok
    end
  end

  defp there(pid, fun) do
    send(pid, {self(), fun})
    assert_receive {:done, ^pid}
  end

  defp entry(pid), do: Enum.find_value(Topologies.all(), fn {its, entry} -> if its == pid, do: entry end)

  test "what others hold is held until they release it, or end" do
    one = other(:topologies_one, ["app@10.77.0.1", "app@10.77.0.2"])
    two = other(:topologies_two, ["app@10.77.0.2"])
    assert Topologies.held_by_others?("app@10.77.0.1")
    refute Topologies.held_by_others?("app@10.77.0.9")

    there(one, &Topologies.release(&1, ["app@10.77.0.1", "app@10.77.0.2"]))
    refute Topologies.held_by_others?("app@10.77.0.1")
    assert Topologies.held_by_others?("app@10.77.0.2")

    entry = entry(two)
    monitor = Process.monitor(two)
    send(two, :stop)
    assert_receive {:DOWN, ^monitor, :process, ^two, :normal}
    assert Heir.claim(:topologies_two) == ["app@10.77.0.2"]
    refute Topologies.held_by_others?("app@10.77.0.2")
    refute Topologies.stay?([entry])
  end

  test "what one held that has ended its next process holds, until it holds its first answer only" do
    crashed = other(:topologies_crash, ["app@10.77.4.1", "app@10.77.4.2"])
    monitor = Process.monitor(crashed)
    Process.unlink(crashed)
    Process.exit(crashed, :kill)
    assert_receive {:DOWN, ^monitor, :process, ^crashed, :killed}

    pid = other(:topologies_crash, [])
    assert Topologies.held_by_others?("app@10.77.4.1")
    assert Topologies.stay?([entry(pid)])
    there(pid, &Topologies.hold_only(&1, ["app@10.77.4.2", "app@10.77.4.3"]))
    refute Topologies.held_by_others?("app@10.77.4.1")
    for ip <- ["10.77.4.2", "10.77.4.3"], do: assert(Topologies.held_by_others?("app@#{ip}"))
  end

  # As after an heir that crashed, or in a version of this package that had none.
  test "a table without an heir gets one at the next tick" do
    one = other(:topologies_heir, ["app@10.77.5.1"])
    there(one, &:ets.setopts(&1, {:heir, :none}))
    entry = entry(one)
    there(one, fn _held -> Topologies.stay_entered(entry) end)
    monitor = Process.monitor(one)
    send(one, :stop)
    assert_receive {:DOWN, ^monitor, :process, ^one, :normal}
    assert Heir.claim(:topologies_heir) == ["app@10.77.5.1"]
  end

  test "what the calling process holds itself does not count" do
    held = Topologies.enter(:topologies_own)
    :ok = Topologies.hold(held, ["app@10.77.1.1"])
    refute Topologies.held_by_others?("app@10.77.1.1")
  end

  test "whoever holds somebody wants this node to stay, unless it is gone from its answers" do
    pid = other(:topologies_stay, [])
    refute Topologies.stay?([entry(pid)])
    there(pid, &Topologies.hold(&1, ["app@10.77.2.1"]))
    assert Topologies.stay?([entry(pid)])
    there(pid, fn _held -> Topologies.gone(true) end)
    refute Topologies.stay?([entry(pid)])
    there(pid, fn _held -> Topologies.gone(false) end)
    assert Topologies.stay?([entry(pid)])
  end
end

defmodule LibclusterKubernetes.Strategy.TopologiesRestartTest do
  # While no other topology runs.
  use ExUnit.Case, async: false

  import ExUnit.CaptureLog

  alias LibclusterKubernetes.Strategy.Topologies
  alias LibclusterKubernetes.Test.Topology

  setup context, do: Topology.alone(context)

  test "a registry that restarts finds the topologies again, and whom they hold", context do
    server = LibclusterKubernetes.Test.FakeApiserver
    server.put(context.server, "endpoints", "app", server.endpoints(["10.77.3.1"]))
    # Without an entry it would leave whenever it is asked to: that is not until the next tick.
    pid = Topology.start(context, polling_interval: 60_000)
    Topology.wait_until(fn -> Topologies.held_by_others?("app@10.77.3.1") end)
    lose_registry()
    Topology.wait_until(fn -> Topologies.whereis(context.topology) == pid end)
    assert Topologies.held_by_others?("app@10.77.3.1")
  end

  test "whoever is judged to be gone before that does not crash" do
    Process.flag(:trap_exit, true)
    Topologies.enter(:topologies_lost)
    lose_registry()
    assert Topologies.gone(true) == :ok
  end

  test "a topology that starts before this application says so" do
    capture_log(fn -> :ok = Application.stop(:libcluster_kubernetes) end)
    on_exit(fn -> {:ok, _} = Application.ensure_all_started(:libcluster_kubernetes) end)

    assert_raise RuntimeError, ~r/the application libcluster_kubernetes is not started/, fn ->
      Topologies.enter(:too_early)
    end
  end

  defp lose_registry do
    registry = registry()
    Process.exit(registry, :kill)
    Topology.wait_until(fn -> registry() not in [registry, :restarting] end)
  end

  defp registry do
    [{_id, registry, _type, _modules}] = Supervisor.which_children(Topologies)
    registry
  end
end
