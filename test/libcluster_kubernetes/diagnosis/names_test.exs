defmodule LibclusterKubernetes.Diagnosis.NamesTest do
  use ExUnit.Case, async: true

  alias LibclusterKubernetes.Diagnosis.{Names, Surroundings}
  alias LibclusterKubernetes.Options

  @node "app@10.0.0.1"
  @options Options.new!(:k8s, [kubernetes_node_basename: "app", kubernetes_selector: "a=b"], %{})
  @dropped %{reason: "no valid hostname", count: 2, example: "address \"10.0.0.2\""}

  defp checks(snapshot, node \\ @node) do
    snapshot = Map.merge(%{ready: [], not_ready: [], draining: [], dropped: [], warnings: []}, Map.new(snapshot))
    surroundings = if is_binary(node), do: %Surroundings{node: node}, else: node
    [names, itself] = Names.checks(@options, snapshot, surroundings)
    {names, itself}
  end

  defp statuses(snapshot) do
    {names, itself} = checks(snapshot)
    {names.status, itself.status}
  end

  test "what the names and this node's place among them mean" do
    assert statuses(ready: [@node, "app@10.0.0.2"]) == {:ok, :ok}
    assert statuses(ready: [@node]) == {:warning, :ok}
    assert statuses(ready: ["app@10.0.0.2", "app@10.0.0.3"]) == {:ok, :failed}
    assert statuses(ready: ["app@10.0.0.2"], not_ready: [@node]) == {:ok, :warning}
    assert statuses(ready: ["app@10.0.0.2"], draining: [@node]) == {:ok, :warning}
    assert statuses(not_ready: [@node, "app@10.0.0.2"]) == {:failed, :warning}
    assert statuses([]) == {:skipped, :skipped}
    assert statuses(dropped: [@dropped]) == {:failed, :skipped}
    assert statuses(ready: [@node, "app@10.0.0.2"], dropped: [@dropped]) == {:warning, :ok}
    assert statuses(ready: [@node, "app@10.0.0.2"], warnings: ["over capacity"]) == {:warning, :ok}
  end

  test "what is true of a pod that terminates" do
    {_, itself} = checks(ready: ["app@10.0.0.2"], draining: [@node])
    assert itself.found == "this pod terminates, by the answer"

    {_, itself} = checks([ready: ["app@10.0.0.2"]], %Surroundings{node: @node, process: %{standing: :absent}})
    assert %{status: :warning, found: found, remedy: remedy} = itself
    assert found =~ "was in the answers and no longer is: this pod terminates"
    refute remedy =~ "kubernetes_selector"
  end

  test "what is dropped and what the objects warn of is told" do
    {names, _itself} = checks(ready: [@node], dropped: [@dropped], warnings: ["over capacity"])
    assert names.found =~ ~s[2 dropped: no valid hostname (for example: address "10.0.0.2"); over capacity]
  end

  test "a node without a name is not looked for" do
    assert {_names, %{status: :skipped}} = checks([ready: ["app@10.0.0.2"]], "nonode@nohost")
  end
end
