defmodule LibclusterKubernetes.Cluster.MembersTest do
  # What the API says of pods that live on: labels and Services.
  use LibclusterKubernetes.Test.Cluster.Case, async: true

  setup_all do
    %{scenario: Scenario.start!("members", replicas: 4, env: Scenario.impatient())}
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

  defp give_back(scenario, pods) do
    for pod <- pods, do: Scenario.label(scenario, [pod], %{member: pod.app})
  end
end
