defmodule LibclusterKubernetes.Cluster.ScaleTest do
  use LibclusterKubernetes.Test.Cluster.Case, async: true

  test "3, 10, none and 3 pods again, each in one step" do
    scenario = Scenario.start!("scale", replicas: 3)

    scenario
    |> Scenario.step("3 to 10", [pods: 10], fn -> Scenario.scale(scenario, 10) end)
    |> Scenario.step("10 to 0", [pods: 0], fn -> Scenario.scale(scenario, 0) end)
    |> Scenario.step("0 to 3", [pods: 3], fn -> Scenario.scale(scenario, 3) end)
  end
end
