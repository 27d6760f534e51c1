defmodule LibclusterKubernetes.Cluster.ModesTest do
  use LibclusterKubernetes.Test.Cluster.Case, async: true

  test "names of the cluster's DNS, mode :dns" do
    Scenario.start!("mode dns", replicas: 2, mode: :dns)
  end

  test "names of a StatefulSet, mode :hostname, which its new pods have again" do
    scenario = Scenario.start!("mode hostname", replicas: 2, mode: :hostname)
    replaced = Scenario.some(scenario, 1)

    Scenario.step(scenario, "a pod of each is replaced", fn ->
      for pod <- replaced, do: Kubectl.delete!(Scenario.path(scenario, "pods", pod.name))
    end)
  end

  test "epmd, and a port that differs at each start" do
    Scenario.start!("epmd", replicas: 2, epmd: true)
  end
end
