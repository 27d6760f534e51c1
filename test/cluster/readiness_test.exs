defmodule LibclusterKubernetes.Cluster.ReadinessTest do
  # Readiness is a condition of the pod here, which the test sets, and by which the kubelet makes the pod ready.
  use LibclusterKubernetes.Test.Cluster.Case, async: true

  # Whoever is absent for 5 s is let go of.
  @env %{"HELLO_DISCONNECT_AFTER" => 5_000}
  # Until that would have happened, and as long again.
  @let_go 20
  @condition "test/ready"

  setup_all do
    gates = %{readinessGates: [%{conditionType: @condition}]}
    %{scenario: Scenario.start!("readiness", replicas: 4, spec: gates, env: @env, starting: &ready_when_there/1)}
  end

  for {count, what} <- [{1, "one"}, {4, "all"}] do
    @tag count: count
    test "readiness of #{what} goes and comes", %{scenario: scenario, count: count} do
      pods = Scenario.some(scenario, count)

      scenario
      |> Scenario.step("#{count} of 4 not ready", [hold: @let_go], fn -> ready(scenario, pods, "False") end)
      |> Scenario.step("#{count} of 4 ready again", [hold: @let_go], fn -> ready(scenario, pods, "True") end)
    end
  end

  defp ready_when_there(scenario) do
    Scenario.await("4 pods of each", fn -> length(Scenario.some(scenario, 4)) == 4 * length(App.sources()) end)
    ready(scenario, Scenario.some(scenario, 4), "True")
  end

  defp ready(scenario, pods, status) do
    for pod <- pods do
      conditions = [%{type: @condition, status: status}]
      Kubectl.patch!("#{Scenario.path(scenario, "pods", pod.name)}/status", %{status: %{conditions: conditions}})
    end
  end
end
