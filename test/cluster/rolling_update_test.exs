defmodule LibclusterKubernetes.Cluster.RollingUpdateTest do
  use LibclusterKubernetes.Test.Cluster.Case, async: true

  @surge %{strategy: %{rollingUpdate: %{maxSurge: "25%"}}}

  test "of 12 pods that are ready when their node listens" do
    scenario = Scenario.start!("rolling update", replicas: 12, deployment: @surge, probe: true)
    replace_all(scenario)
  end

  test "of 12 pods that go on for 40 s after they were told to end" do
    pre_stop = %{lifecycle: %{preStop: %{sleep: %{seconds: 40}}}}
    spec = %{terminationGracePeriodSeconds: 60}
    opts = [replicas: 12, deployment: @surge, container: pre_stop, spec: spec, probe: true]
    scenario = Scenario.start!("rolling update with preStop", opts)
    # Endpoints do not name pods that terminate, so that these are let go of after 30 s.
    replace_all(scenario, waits_for: [endpoints: 15])
  end

  defp replace_all(scenario, opts \\ []) do
    old = MapSet.new(Scenario.some(scenario, 12), & &1.uid)
    replaced? = fn pods -> Enum.all?(pods, &(&1.gone? or &1.uid not in old)) end

    Scenario.step(scenario, "all are replaced", [until: replaced?, limit: 240] ++ opts, fn ->
      Scenario.restart(scenario)
    end)
  end
end
