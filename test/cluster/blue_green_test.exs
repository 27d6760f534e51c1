defmodule LibclusterKubernetes.Cluster.BlueGreenTest do
  # Two Deployments of one application, and a Service that selects one of them. Pods have no Service.
  use LibclusterKubernetes.Test.Cluster.Case, async: true

  @sources [:endpoints, :endpoint_slices]

  test "a Service that selects the other Deployment: the one before leaves, and the other stays whole" do
    opts = [replicas: 3, env: Scenario.impatient()]

    Scenario.start!("blue/green", [color: "blue"] ++ opts)
    |> then(fn scenario ->
      Scenario.step(scenario, "green beside blue", [pods: 6], fn ->
        Kubectl.apply!(scenario.namespace, Enum.map(App.sources(), &App.workload(&1, [color: "green"] ++ opts)))
      end)
      |> Scenario.step("blue is selected, and then green", [sources: @sources, pods: 6] ++ blue_leaves(), fn ->
        for source <- @sources do
          selector = %{member: App.name(source), color: "green"}
          Scenario.patch(scenario, "services", App.name(source), %{spec: %{selector: selector}})
        end
      end)
    end)
  end

  defp blue_leaves do
    blue? = &(&1.labels["color"] == "blue")

    gone? = fn pods ->
      {blue, green} = Enum.split_with(pods, blue?)
      nodes = MapSet.new(blue, & &1.node)
      Enum.all?(green, &MapSet.disjoint?(Pod.connected(&1), nodes))
    end

    [apart: blue?, until: gone?, may_part: fn one, other -> blue?.(one) or blue?.(other) end]
  end
end
