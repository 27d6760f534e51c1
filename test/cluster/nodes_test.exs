defmodule LibclusterKubernetes.Cluster.NodesTest do
  # What happens to a node of the cluster, while the other tests run on the others.
  use LibclusterKubernetes.Test.Cluster.Case, async: true

  alias LibclusterKubernetes.Test.Cluster.Sight

  @moduletag :needs_node

  # Two pods of each application here, and two there.
  @spread %{
    topologySpreadConstraints: [
      %{
        maxSkew: 1,
        topologyKey: "kubernetes.io/hostname",
        whenUnsatisfiable: "DoNotSchedule",
        # A node that is drained does not count.
        nodeTaintsPolicy: "Honor",
        labelSelector: %{matchLabels: %{test: "app"}},
        matchLabelKeys: ["app"]
      }
    ]
  }

  @pre_stop %{lifecycle: %{preStop: %{sleep: %{seconds: 40}}}}

  setup_all do
    spec = Map.merge(@spread, %{terminationGracePeriodSeconds: 60})
    opts = [replicas: 4, anywhere: true, spec: spec, container: @pre_stop, probe: true]
    %{scenario: Scenario.start!("node", opts), node: Abilities.node!()}
  end

  # What the test before did to the node is over for the API, too: of one that it holds to be gone, no pod becomes unready.
  setup %{scenario: scenario, node: node} do
    Scenario.await("#{node} and its pods are ready", fn ->
      ready?(node) and scenario.sight |> Sight.look() |> Enum.filter(&Pod.stays?/1) |> Enum.all?(& &1.ready?)
    end)

    :ok
  end

  @tag :needs_cut
  @tag :needs_mend
  test "without its network for 20 s", %{scenario: scenario, node: node} do
    on_exit(fn -> mend(node) end)
    Scenario.step(scenario, "cut off for 20 s", [], fn -> cut(node, 20) end)
  end

  @tag :needs_cut
  @tag :needs_mend
  test "without its network for 120 s", %{scenario: scenario, node: node} do
    on_exit(fn -> mend(node) end)
    parted? = fn one, other -> one.host != other.host end
    Scenario.step(scenario, "cut off for 120 s", [may_part: parted?], fn -> cut(node, 120) end)
  end

  @tag :needs_stop
  @tag :needs_start
  test "with a kubelet that is dead until its pods are not ready", %{scenario: scenario, node: node} do
    on_node = fn -> scenario |> Scenario.some(4) |> Enum.filter(&(&1.host == node)) end
    on_exit(fn -> Abilities.run!(:start, ["kubelet", node]) end)

    scenario
    # Whoever is absent is let go of after 30 s.
    |> Scenario.step("its kubelet is dead", [hold: 40], fn ->
      Abilities.run!(:stop, ["kubelet", node])
      Scenario.await("its pods are not ready", fn -> not Enum.any?(on_node.(), & &1.ready?) end)
    end)
    |> Scenario.step("its kubelet lives", [], fn ->
      Abilities.run!(:start, ["kubelet", node])
      Scenario.await("its pods are ready", fn -> Enum.all?(on_node.(), & &1.ready?) end)
    end)
  end

  test "that is drained, by pods that go on for 40 s", %{scenario: scenario, node: node} do
    on_exit(fn -> Kubectl.run!(["uncordon", node]) end)
    gone? = fn pods -> Enum.all?(pods, &(&1.gone? or &1.host != node)) end

    Scenario.step(scenario, "drained", [until: gone?], fn ->
      Kubectl.run!(["drain", node, "--pod-selector=test", "--ignore-daemonsets", "--delete-emptydir-data"])
    end)
  end

  defp cut(node, seconds) do
    Abilities.run!(:cut, [node])
    Scenario.last(seconds)
    mend(node)
  end

  defp mend(node), do: Abilities.run!(:mend, [node])

  defp ready?(node) do
    conditions = Kubectl.get!("/api/v1/nodes/#{node}")["status"]["conditions"]
    Enum.any?(conditions, &(&1["type"] == "Ready" and &1["status"] == "True"))
  end
end
