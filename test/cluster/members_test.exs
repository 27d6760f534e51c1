defmodule LibclusterKubernetes.Cluster.MembersTest do
  # What the API says of pods that live on: labels, readiness, Services. Readiness is a condition of the pod here, which
  # the test sets, and by which the kubelet makes the pod ready.
  use LibclusterKubernetes.Test.Cluster.Case, async: true

  @condition "test/ready"

  setup_all do
    gates = %{readinessGates: [%{conditionType: @condition}]}
    opts = [replicas: 4, spec: gates, env: Scenario.impatient(), starting: &ready_when_there/1]
    %{scenario: Scenario.start!("members", opts)}
  end

  for {count, what} <- [{1, "one pod"}, {2, "half of the pods"}] do
    @tag count: count
    test "#{what} with another label leaves, and returns with the label", %{scenario: scenario, count: count} do
      away = Scenario.some(scenario, count)
      names = MapSet.new(away, & &1.name)
      away? = &(&1.name in names)
      alone? = fn pods -> pods |> Enum.filter(away?) |> Enum.all?(&(Pod.connected(&1) == MapSet.new())) end
      parted? = fn one, other -> away?.(one) or away?.(other) end

      scenario
      |> Scenario.step("#{count} of 4 lose their label", [apart: away?, until: alone?, may_part: parted?], fn ->
        Scenario.label(scenario, away, %{member: "none"})
      end)
      |> Scenario.step("#{count} of 4 have it again", [], fn -> give_back(scenario, away) end)
    end
  end

  test "all pods with another label stay", %{scenario: scenario} do
    all = Scenario.some(scenario, 4)

    scenario
    |> Scenario.step("all lose their label", [hold: Scenario.let_go()], fn ->
      Scenario.label(scenario, all, %{member: "none"})
    end)
    # One after the other: for a moment most are absent from an answer that is not empty.
    |> Scenario.step("all have it again", [hold: Scenario.let_go()], fn -> give_back(scenario, all) end)
  end

  test "the Service is deleted, and made again", %{scenario: scenario} do
    scenario
    |> Scenario.step("no Service", [hold: Scenario.let_go()], fn ->
      for source <- App.sources(), do: Kubectl.delete!(Scenario.path(scenario, "services", App.name(source)))
    end)
    |> Scenario.step("a Service again", [hold: Scenario.let_go()], fn ->
      Kubectl.apply!(scenario.namespace, Enum.map(App.sources(), &App.service/1))
    end)
  end

  for {count, what} <- [{1, "one"}, {4, "all"}] do
    @tag count: count
    test "readiness of #{what} goes and comes", %{scenario: scenario, count: count} do
      pods = Scenario.some(scenario, count)

      scenario
      |> Scenario.step("#{count} of 4 not ready", [hold: Scenario.let_go()], fn -> ready(scenario, pods, "False") end)
      |> Scenario.step("#{count} of 4 ready again", [hold: Scenario.let_go()], fn -> ready(scenario, pods, "True") end)
    end
  end

  defp give_back(scenario, pods) do
    for pod <- pods, do: Scenario.label(scenario, [pod], %{member: pod.app})
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
