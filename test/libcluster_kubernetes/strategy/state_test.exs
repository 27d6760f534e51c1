defmodule LibclusterKubernetes.Strategy.StateTest do
  use ExUnit.Case, async: true

  alias LibclusterKubernetes.Options
  alias LibclusterKubernetes.Strategy.{State, Topologies}

  test "a state of another version gets what is new in it and in its parts, and keeps the rest" do
    options = Options.new!(:k8s, kubernetes_node_basename: "app", kubernetes_selector: "app=app")
    state = State.new(%Cluster.Strategy.State{topology: :k8s}, options)
    state = %{state | activity: %{state.activity | requests: 7}, full?: true}

    earlier = %{Map.delete(state, :waiters) | activity: Map.delete(state.activity, :failing_since)}
    earlier = update_in(earlier.options.values, &Map.delete(&1, :kubernetes_field_selector))
    assert State.upgrade(earlier) == state
    assert State.upgrade(state) == state
  end

  test "one that is idle holds nobody, as no answer will come: whoever was held before is let go of" do
    {pid, monitor} = spawn_monitor(fn -> Topologies.enter(:state_idle) |> Topologies.hold(["app@10.77.6.1"]) end)
    assert_receive {:DOWN, ^monitor, :process, ^pid, :normal}

    options = Options.new!(:state_idle, kubernetes_node_basename: nil, kubernetes_selector: "app=app")
    state = State.new(%Cluster.Strategy.State{topology: :state_idle}, options)
    assert :ets.tab2list(state.held) == []
  end
end
