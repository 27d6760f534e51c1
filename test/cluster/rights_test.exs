defmodule LibclusterKubernetes.Cluster.RightsTest do
  use LibclusterKubernetes.Test.Cluster.Case, async: true

  @env %{"HELLO_DISCONNECT_AFTER" => 5_000}
  @let_go 20

  test "are taken and given again" do
    scenario = Scenario.start!("rights", replicas: 3, env: @env)

    scenario
    |> Scenario.step("taken", [hold: @let_go], fn ->
      for source <- App.sources(), do: Kubectl.delete!(path(scenario, source))
    end)
    # A new pod that waits for them, too.
    |> Scenario.step("given, and a fourth pod", [pods: 4], fn ->
      Scenario.scale(scenario, 4)
      Kubectl.apply!(scenario.namespace, Enum.flat_map(App.sources(), &App.account/1))
    end)
  end

  test "end with the ServiceAccount, and are new pods' with a new one" do
    scenario = Scenario.start!("ServiceAccount", replicas: 3, env: @env)
    old = MapSet.new(Scenario.some(scenario, 3), & &1.uid)

    scenario
    # Its tokens are taken for good for some seconds more.
    |> Scenario.step("deleted", [hold: 2 * @let_go], fn ->
      for source <- App.sources(), do: Kubectl.delete!(Scenario.path(scenario, "serviceaccounts", App.name(source)))
    end)
    # The kubelet keeps the tokens that pods have: they are of the account that is gone.
    |> Scenario.step(
      "made again, and all pods replaced",
      [until: &Enum.all?(&1, fn pod -> pod.gone? or pod.uid not in old end)],
      fn ->
        Kubectl.apply!(scenario.namespace, Enum.flat_map(App.sources(), &App.account/1))
        Scenario.restart(scenario)
      end
    )
  end

  defp path(scenario, source) do
    "/apis/rbac.authorization.k8s.io/v1/namespaces/#{scenario.namespace}/rolebindings/#{App.name(source)}"
  end
end
