defmodule LibclusterKubernetes.Cluster.ReadinessTest do
  # Readiness is a condition of the pod here, which the test sets, and by which the kubelet makes the pod ready.
  use LibclusterKubernetes.Test.Cluster.Case, async: true

  setup_all do
    opts = [replicas: 4, spec: Scenario.gated(), env: Scenario.impatient(), starting: &ready_when_there/1]
    %{scenario: Scenario.start!("readiness", opts)}
  end

  for {count, what} <- [{1, "one"}, {4, "all"}] do
    @tag count: count
    test "readiness of #{what} goes and comes", %{scenario: scenario, count: count} do
      pods = Scenario.some(scenario, count)

      scenario
      |> Scenario.step("#{count} of 4 not ready", [hold: Scenario.let_go()], fn ->
        Scenario.ready(scenario, pods, "False")
      end)
      |> Scenario.step("#{count} of 4 ready again", [hold: Scenario.let_go()], fn ->
        Scenario.ready(scenario, pods, "True")
      end)
    end
  end

  defp ready_when_there(scenario) do
    Scenario.await("4 pods of each", fn -> length(Scenario.some(scenario, 4)) == 4 * length(App.sources()) end)
    Scenario.ready(scenario, Scenario.some(scenario, 4), "True")
  end
end
