defmodule LibclusterKubernetes.Cluster.RightsTest do
  use LibclusterKubernetes.Test.Cluster.Case, async: true

  test "are taken and given again, and end with the ServiceAccount" do
    scenario = Scenario.start!("rights", replicas: 3, env: Scenario.impatient())

    scenario
    |> Scenario.step("taken", [hold: Scenario.let_go()], fn ->
      for source <- App.sources(), do: Kubectl.delete!(role_binding(scenario, source))
    end)
    # A new pod waits for them, too.
    |> Scenario.step("given, and a fourth pod", [pods: 4], fn ->
      Scenario.scale(scenario, 4)
      Kubectl.apply!(scenario.namespace, Enum.flat_map(App.sources(), &App.account/1))
    end)
    # For some seconds more the server takes its tokens for good.
    |> Scenario.step("no ServiceAccount", [hold: 2 * Scenario.let_go()], fn ->
      for source <- App.sources(), do: Kubectl.delete!(Scenario.path(scenario, "serviceaccounts", App.name(source)))
    end)
    |> replace_all("a ServiceAccount again, and new pods")
  end

  # The kubelet keeps the tokens that pods have: they are of the account that is gone.
  defp replace_all(scenario, what) do
    old = MapSet.new(Scenario.some(scenario, 4), & &1.uid)
    replaced? = fn pods -> Enum.all?(pods, &(&1.gone? or &1.uid not in old)) end

    Scenario.step(scenario, what, [until: replaced?], fn ->
      Kubectl.apply!(scenario.namespace, Enum.flat_map(App.sources(), &App.account/1))
      Enum.each(App.sources(), &Scenario.restart(scenario, &1))
    end)
  end

  defp role_binding(scenario, source) do
    "/apis/rbac.authorization.k8s.io/v1/namespaces/#{scenario.namespace}/rolebindings/#{App.name(source)}"
  end
end
