defmodule LibclusterKubernetes.Strategy.StateTest do
  use ExUnit.Case, async: true

  alias LibclusterKubernetes.Options
  alias LibclusterKubernetes.Strategy.State

  test "a state of another version gets what is new in it and in its parts, and keeps the rest" do
    options = Options.new!(:k8s, kubernetes_node_basename: "app", kubernetes_selector: "app=app")
    state = State.new(%Cluster.Strategy.State{topology: :k8s}, options)
    state = %{state | activity: %{state.activity | requests: 7}, full?: true}

    earlier = %{Map.delete(state, :waiters) | activity: Map.delete(state.activity, :failing_since)}
    assert State.upgrade(earlier) == state
    assert State.upgrade(state) == state
  end
end
