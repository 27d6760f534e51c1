defmodule LibclusterKubernetes.Cluster.OutsidersTest do
  # What has the labels of members and is none, and what is a member without looking like one.
  use LibclusterKubernetes.Test.Cluster.Case, async: true

  test "a pod that is no node, one with another cookie, a finished Job, a pod of the machine's network, a pod of the same release" do
    scenario = Scenario.start!("outsiders", replicas: 3, env: Scenario.impatient())

    scenario
    |> Scenario.step("outsiders and a pod of the machine's network", [pods: 4, hold: Scenario.let_go()], fn ->
      Kubectl.apply!(scenario.namespace, Enum.flat_map(App.sources(), &outsiders/1))
    end)
    |> Scenario.step("one that looks for members and is none", [pods: 5], fn ->
      Kubectl.apply!(scenario.namespace, Enum.map(App.sources(), &cron/1))
    end)
    |> Scenario.step("nobody is a member", [hold: Scenario.let_go(), limit: Scenario.let_go()], fn ->
      members = Enum.filter(Scenario.some(scenario, 5), &(&1.labels["member"] == &1.app))
      for source <- App.sources(), do: Kubectl.delete!(Scenario.path(scenario, "services", App.name(source)))
      Scenario.label(scenario, members, %{member: "none"})
    end)
  end

  defp outsiders(source) do
    name = App.name(source)
    members = %{member: name}
    no_node = App.pod(source, "#{name}-no-node", container: %{command: ["sleep", "3600"]})
    stranger = App.pod(source, "#{name}-stranger", env: Map.put(Scenario.impatient(), "RELEASE_COOKIE", "another"))

    on_machine =
      App.pod(source, "#{name}-machine",
        env: Scenario.impatient(),
        spec: %{hostNetwork: true, dnsPolicy: "ClusterFirstWithHostNet"}
      )

    finished = App.pod(source, "#{name}-finished", container: %{command: ["true"]}, spec: %{restartPolicy: "Never"})

    job = %{
      apiVersion: "batch/v1",
      kind: "Job",
      metadata: %{name: "#{name}-finished"},
      spec: %{template: %{metadata: %{labels: members}, spec: finished.spec}}
    }

    for(pod <- [no_node, stranger], do: put_in(pod.metadata.labels, members)) ++ [job, on_machine]
  end

  # It looks for members, as every pod of the release does, and has another label itself.
  defp cron(source) do
    name = App.name(source)
    App.pod(source, "#{name}-cron", env: Scenario.impatient(), labels: %{member: "none"})
  end
end
