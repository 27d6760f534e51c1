defmodule LibclusterKubernetes.Cluster.OptionsTest do
  # Options that the stock strategy does not have, and that change who is looked for: one mesh of all that they name, and nobody else.
  use LibclusterKubernetes.Test.Cluster.Case, async: true

  alias LibclusterKubernetes.Test.Cluster.{Links, Release, Sight}

  @rbac "/apis/rbac.authorization.k8s.io/v1"
  @port App.dist_port(:pods)
  # A release whose nodes are called as the pod's environment says.
  @named %{
    "env.sh" => "export RELEASE_DISTRIBUTION=name RELEASE_NODE=$BASENAME@$POD_IP\n",
    "vm.args" => "-start_epmd false -erl_epmd_port #{@port}\n",
    "remote.vm.args" => "-start_epmd false -erl_epmd_port #{@port} -dist_listen false\n"
  }

  test "kubernetes_namespace: :all" do
    [one | _] = namespaces = [Scenario.namespace!(), Scenario.namespace!()]
    allow_everywhere(one, namespaces)
    config = [kubernetes_namespace: :all, kubernetes_selector: "of=#{one}"]

    for namespace <- namespaces do
      {config_map, over} = release(config)
      pods = for name <- ["a", "b"], do: App.pod(:pods, name, [labels: %{of: one}] ++ over)
      Kubectl.apply!(namespace, App.account(:pods) ++ [config_map | pods])
    end

    await_mesh(namespaces, 4)
  end

  test "kubernetes_node_basename: {:label, …}" do
    namespace = Scenario.namespace!()
    config = [kubernetes_node_basename: {:label, "role"}, kubernetes_selector: "member=pods"]
    {config_map, over} = release(config, @named)

    pods =
      for {name, role} <- [a: "web", b: "web", c: "worker", d: "worker"],
          do: App.pod(:pods, "#{name}", [labels: %{role: role}, env: %{"BASENAME" => role}] ++ over)

    Kubectl.apply!(namespace, App.account(:pods) ++ [config_map | pods])
    nodes = for pod <- await_mesh([namespace], 4), do: pod.node |> String.split("@") |> hd()
    assert Enum.sort(nodes) == ["web", "web", "worker", "worker"]
  end

  test "kubernetes_rollout_label: the pods of two ReplicaSets do not meet" do
    scenario = Scenario.new!("rollout label", [:pods], 2)
    config = [kubernetes_rollout_label: "pod-template-hash", kubernetes_selector: "member=pods"]
    {config_map, over} = release(config)
    Kubectl.apply!(scenario.namespace, [config_map])
    # So long that all new ones start beside all old ones.
    over = put_in(over[:container][:lifecycle], %{preStop: %{sleep: %{seconds: 20}}})
    over = put_in(over[:spec][:terminationGracePeriodSeconds], 40)

    scenario =
      Scenario.step(scenario, "start of 2", [], fn -> Scenario.start(scenario, [replicas: 2, probe: true] ++ over) end)

    old = Scenario.some(scenario, 2)
    replaced? = fn pods -> Enum.all?(pods, &(&1.gone? or &1.uid not in for(pod <- old, do: pod.uid))) end
    Scenario.step(scenario, "all are replaced", [until: replaced?], fn -> Scenario.restart(scenario, :pods) end)

    for new <- Scenario.some(scenario, 2), {_at, :joined, node} <- new.events do
      assert node not in for(pod <- old, do: pod.node)
    end
  end

  # What holds a configuration for pods, and the options by which `App.pod/3` lays it over theirs.
  defp release(config, files \\ %{}) do
    config = Keyword.merge([kubernetes_node_basename: "hello_cluster", kubernetes_ip_lookup_mode: :pods], config)
    topologies = [hello_cluster: [strategy: LibclusterKubernetes.Strategy, config: config]]

    runtime =
      "import Config\nconfig :hello_cluster, timestamps: true\nconfig :libcluster, topologies: #{inspect(topologies)}\n"

    Release.pod("release", Map.put(files, "runtime.exs", runtime))
  end

  defp allow_everywhere(name, namespaces) do
    metadata = %{name: name, labels: %{run: System.fetch_env!("CLUSTER_RUN")}}
    rules = [%{apiGroups: [""], resources: ["pods"], verbs: ["list", "watch"]}]
    subjects = for namespace <- namespaces, do: %{kind: "ServiceAccount", name: "pods", namespace: namespace}
    role_ref = %{apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: name}

    for {kind, resource, what} <- [
          {"ClusterRole", "clusterroles", %{rules: rules}},
          {"ClusterRoleBinding", "clusterrolebindings", %{roleRef: role_ref, subjects: subjects}}
        ] do
      object = Map.merge(what, %{apiVersion: "rbac.authorization.k8s.io/v1", kind: kind, metadata: metadata})
      Kubectl.create!("#{@rbac}/#{resource}", object)
      on_exit(fn -> Kubectl.delete!("#{@rbac}/#{resource}/#{name}") end)
    end
  end

  # The pods of these namespaces, when all of them are connected to each other and to nobody else.
  defp await_mesh(namespaces, count) do
    sights = Enum.map(namespaces, &Sight.start!/1)
    on_exit(fn -> Enum.each(sights, &Sight.stop/1) end)

    Scenario.await("#{count} pods are one mesh", fn ->
      pods = Enum.flat_map(sights, &Sight.look/1)
      if Links.missing(pods, count) == nil, do: pods
    end)
  end
end
