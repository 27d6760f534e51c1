defmodule LibclusterKubernetes.Cluster.RollingUpdateTest do
  # Alone: 72 VMs, of which 18 start at a time.
  use LibclusterKubernetes.Test.Cluster.Case, async: false

  @surge %{strategy: %{rollingUpdate: %{maxSurge: "25%"}}}
  @pre_stop %{lifecycle: %{preStop: %{sleep: %{seconds: 40}}}}

  test "of 12 pods that are ready when their node listens, and of 12 that go on for 40 s after they were told to end" do
    scenario = Scenario.start!("rolling update", replicas: 12, deployment: @surge, probe: true)

    scenario
    |> replace_all("all are replaced", fn source ->
      container = Map.merge(%{name: "app"}, @pre_stop)
      spec = %{terminationGracePeriodSeconds: 60, containers: [container]}
      Scenario.patch(scenario, "deployments", App.name(source), %{spec: %{template: %{spec: spec}}})
    end)
    |> replace_all("all are replaced, with preStop", &Scenario.restart(scenario, &1))
  end

  defp replace_all(scenario, what, replace) do
    old = MapSet.new(Scenario.some(scenario, 12), & &1.uid)
    replaced? = fn pods -> Enum.all?(pods, &(&1.gone? or &1.uid not in old)) end
    # 36 nodes start in the place of 36 that go on meanwhile.
    Scenario.step(scenario, what, [until: replaced?, limit: 480], fn -> Enum.each(App.sources(), replace) end)
  end
end
