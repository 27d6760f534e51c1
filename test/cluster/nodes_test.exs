defmodule LibclusterKubernetes.Cluster.NodesTest do
  # What happens to a node of the cluster, while the other tests run on the others.
  use LibclusterKubernetes.Test.Cluster.Case, async: true

  @moduletag :needs_node

  # Two pods of each application here, and two there.
  @spread %{
    topologySpreadConstraints: [
      %{
        maxSkew: 1,
        topologyKey: "kubernetes.io/hostname",
        whenUnsatisfiable: "DoNotSchedule",
        labelSelector: %{matchLabels: %{test: "app"}},
        matchLabelKeys: ["app"]
      }
    ]
  }

  defp start!(name, opts \\ []) do
    Scenario.start!(name, Keyword.merge([replicas: 4, anywhere: true, spec: @spread], opts))
  end

  @tag :needs_cut
  @tag :needs_mend
  test "without its network for 20 s" do
    scenario = start!("node cut off")
    Scenario.step(scenario, "for 20 s", [], fn -> cut(20) end)
  end

  @tag :needs_cut
  @tag :needs_mend
  test "without its network for 120 s" do
    scenario = start!("node cut off")
    apart? = fn one, other -> one.host != other.host end
    Scenario.step(scenario, "for 120 s", [may_part: apart?], fn -> cut(120) end)
  end

  @tag :needs_stop
  @tag :needs_start
  test "with a kubelet that is dead until its pods are not ready" do
    scenario = start!("kubelet", env: %{"HELLO_DISCONNECT_AFTER" => 5_000})
    node = Abilities.node!()
    on_node? = &(&1.host == node and Pod.stays?(&1))

    not_ready? = fn ->
      App.sources()
      |> Enum.flat_map(&Scenario.pods(scenario, &1))
      |> Enum.filter(on_node?)
      |> Enum.all?(&(not &1.ready?))
    end

    on_exit(fn -> Abilities.run!(:start, ["kubelet", node]) end)

    scenario
    |> Scenario.step("dead", [hold: 20], fn ->
      Abilities.run!(:stop, ["kubelet", node])
      Scenario.await("its pods are not ready", 180, not_ready?)
    end)
    |> Scenario.step("alive", [hold: 10], fn -> Abilities.run!(:start, ["kubelet", node]) end)
  end

  test "that is drained, by pods that go on for 40 s" do
    pre_stop = %{lifecycle: %{preStop: %{sleep: %{seconds: 40}}}}
    # The new pods are to find a place on the other.
    spec = %{terminationGracePeriodSeconds: 60}
    scenario = Scenario.start!("drain", replicas: 4, anywhere: true, container: pre_stop, spec: spec, probe: true)
    node = Abilities.node!()
    on_exit(fn -> Kubectl.run!(["uncordon", node]) end)
    gone? = fn pods -> Enum.all?(pods, &(&1.gone? or &1.host != node)) end

    # Endpoints do not name pods that terminate.
    Scenario.step(scenario, "drained", [until: gone?, limit: 180, waits_for: [endpoints: 15]], fn ->
      Kubectl.run!(["drain", node, "--pod-selector=test", "--ignore-daemonsets", "--delete-emptydir-data"])
    end)
  end

  defp cut(seconds) do
    Abilities.run!(:cut, [Abilities.node!()])
    Scenario.last(seconds)
  after
    Abilities.run!(:mend, [Abilities.node!()])
  end
end
