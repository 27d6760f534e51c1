defmodule LibclusterKubernetes.GuidesKubeTest do
  # What the guides say to apply, applied to the real kube-apiserver as it is written.
  use ExUnit.Case, async: false

  alias LibclusterKubernetes.{Manifests, Options}
  alias LibclusterKubernetes.Test.{Guide, KubeApiserver, Outcome, Topology, YAML}

  @moduletag :kube_apiserver
  @moduletag timeout: 180_000

  @modes "guides/modes-and-names.md"

  setup_all do: KubeApiserver.setup_all()

  setup %{server: server} do
    namespace = "guide-#{System.unique_integer([:positive])}"
    KubeApiserver.namespace!(server, namespace)
    %{namespace: namespace}
  end

  for path <- Guide.all() do
    test "every manifest of #{path} is accepted as it is", %{server: server, namespace: namespace} do
      for {block, number} <- Enum.with_index(Guide.blocks(unquote(path), "yaml")) do
        namespace = "#{namespace}-#{number}"
        KubeApiserver.namespace!(server, namespace)

        for {object, text} <- YAML.documents!(block.text) do
          stored = KubeApiserver.apply_yaml!(server, namespace, object, text)
          assert covers?(stored, object), "#{block.at}: #{inspect(stored)}"
        end
      end
    end
  end

  for path <- Guide.all(), block <- Guide.blocks(path, "yaml"), block.text =~ "kind: Role\n" do
    @tag block: block
    test "the role at #{block.at} allows what is needed, and nothing more", context do
      objects = for {object, text} <- YAML.documents!(context.block.text), rbac?(object), do: {object, text}
      for {object, text} <- objects, do: KubeApiserver.apply_yaml!(context.server, context.namespace, object, text)
      assert [%{"rules" => [rule], "metadata" => %{"name" => role}}] = kind(objects, "Role")
      assert [%{"subjects" => [%{"name" => account}]}] = kind(objects, "RoleBinding")
      options = options(context, account, source(rule))
      Topology.wait_until(fn -> Outcome.of(options) == :watches end)

      for verb <- rule["verbs"] do
        allow(context, role, %{rule | "verbs" => rule["verbs"] -- [verb]})
        # Roles are read through a cache.
        Topology.wait_until(fn -> Outcome.of(options) == without(verb) end)
        allow(context, role, rule)
        Topology.wait_until(fn -> Outcome.of(options) == :watches end)
      end
    end
  end

  for mode <- [:ip, :dns, :hostname] do
    test "a node that follows the guide for mode #{inspect(mode)} has the name that the others look for", context do
      heading = "Mode `#{inspect(unquote(mode))}`"
      objects = for block <- blocks(@modes, "yaml", heading), document <- YAML.documents!(block.text), do: document
      for {object, text} <- objects, do: KubeApiserver.apply_yaml!(context.server, context.namespace, object, text)
      [config] = blocks(@modes, "elixir", heading)
      [libcluster: [topologies: [{_, topology}]]] = Config.Reader.eval!("runtime.exs", config.text)
      [env_sh | _] = blocks(@modes, "sh", heading)

      env = environment(objects, context.namespace)
      assert topology[:config][:mode] == unquote(mode)
      assert names(context, topology[:config], objects) == [sourced(env_sh.text, env)]
    end
  end

  for {name, config} <- [
        ip: [],
        dns: [mode: :dns, kubernetes_ip_lookup_mode: :pods],
        slices: [kubernetes_ip_lookup_mode: :endpoint_slices, kubernetes_selector: "kubernetes.io/service-name=other"],
        hostname: [mode: :hostname, kubernetes_ip_lookup_mode: :pods, kubernetes_service_name: "db"]
      ] do
    test "what mix libcluster_kubernetes.gen.manifests prints is enough: #{name}", context do
      config = Keyword.merge([kubernetes_node_basename: "myapp", kubernetes_selector: "app=myapp"], unquote(config))
      topology = Options.new!(:k8s, config, %{})
      made = Manifests.yaml([topology], app: "my-app", image: "my-app:1", dist_port: 4370, cookie_secret: "cookie")
      objects = for {_, text} <- YAML.documents!(made), one <- YAML.documents!(served(context.server, text)), do: one

      for {object, text} <- objects do
        stored = KubeApiserver.apply_yaml!(context.server, context.namespace, object, text)
        assert covers?(stored, object)
      end

      env = environment(objects, context.namespace)
      node = env["RELEASE_NODE"] || sourced(Manifests.release([topology], app: "my-app"), env)
      assert names(context, config, objects) == [node]
      [%{"rules" => [rule]}] = kind(objects, "Role")
      assert Outcome.of(options(context, "my-app", source(rule))) == :watches
    end
  end

  # The oldest server of the tests knows less than the manifests say that they need.
  defp served(server, text) do
    %{"minor" => minor} = KubeApiserver.get!(server, "/version")

    cond do
      Integer.parse(minor) >= {27, ""} -> text
      text =~ "kind: PodDisruptionBudget" -> ""
      text =~ "kind: StatefulSet" -> String.replace(text, ~r/^  minReadySeconds:.*\n/m, "")
      true -> text
    end
  end

  ## What is asked

  # The names that the API gives, where the first pod of these manifests runs.
  defp names(context, config, objects) do
    [%{"subjects" => [%{"name" => account}]}] = kind(objects, "RoleBinding")
    [workload] = kind(objects, "Deployment") ++ kind(objects, "StatefulSet")
    labels = workload["spec"]["template"]["metadata"]["labels"]
    service = List.first(kind(objects, "Service"))
    run_pod(context, config[:kubernetes_ip_lookup_mode] || :endpoints, labels, service)
    folder = KubeApiserver.service_account!(context.server, context.namespace, account)
    pod = [kubernetes_master: context.server.url, kubernetes_service_account_path: folder]
    native = :k8s |> Options.new!(config ++ pod, %{}) |> Options.to_native()
    Topology.wait_until(fn -> match?({:ok, _}, Topology.list(native)) end)
    {:ok, snapshot} = Topology.list(native)
    snapshot.ready
  end

  # No controller does it here. Endpoints and EndpointSlices have the labels of their Service, and of slices its name.
  defp run_pod(%{server: server, namespace: namespace}, :pods, labels, _service) do
    KubeApiserver.pod!(server, namespace, "myapp-0", ip: "10.1.0.7", hostname: "myapp-0", labels: labels)
  end

  defp run_pod(%{server: server, namespace: namespace}, source, labels, service) do
    assert covers?(labels, service["spec"]["selector"])
    name = service["metadata"]["name"]
    labels = Map.put(service["metadata"]["labels"], "kubernetes.io/service-name", name)

    case source do
      :endpoints ->
        KubeApiserver.endpoints!(server, namespace, name, [{"10.1.0.7", "myapp-0"}], labels: labels)

      :endpoint_slices ->
        KubeApiserver.endpoint_slice!(server, namespace, "#{name}-1", [%{addresses: ["10.1.0.7"]}], labels: labels)
    end
  end

  # What the container has, with variables replaced in those after them, as the kubelet does.
  defp environment(objects, namespace) do
    [workload] = kind(objects, "Deployment") ++ kind(objects, "StatefulSet")
    [%{"env" => env}] = workload["spec"]["template"]["spec"]["containers"]
    fields = %{"status.podIP" => "10.1.0.7", "metadata.name" => "myapp-0", "metadata.namespace" => namespace}

    for variable <- env, reduce: %{} do
      known -> Map.put(known, variable["name"], value(variable, fields, known))
    end
  end

  defp value(%{"value" => value}, _fields, known) do
    Regex.replace(~r/\$\((\w+)\)/, value, fn _, name -> Map.fetch!(known, name) end)
  end

  defp value(%{"valueFrom" => %{"fieldRef" => %{"fieldPath" => path}}}, fields, _known), do: Map.fetch!(fields, path)
  defp value(%{"valueFrom" => %{"secretKeyRef" => _}}, _fields, _known), do: "secret"

  # RELEASE_NODE after `bin/myapp start` has read the file.
  defp sourced(env_sh, env) do
    script = EEx.eval_string(env_sh, assigns: [release: %{name: :myapp}])
    env = [{"RELEASE_COMMAND", "start"}, {"CLUSTER_DOMAIN", nil} | Enum.to_list(env)]
    {printed, 0} = System.cmd("sh", ["-euc", "#{script}\nprintf %s \"$RELEASE_DISTRIBUTION $RELEASE_NODE\""], env: env)
    ["name", node] = String.split(printed)
    node
  end

  ## What the role allows

  defp options(context, account, source) do
    folder = KubeApiserver.service_account!(context.server, context.namespace, account)

    config = [
      kubernetes_node_basename: "myapp",
      kubernetes_selector: "app=myapp",
      kubernetes_ip_lookup_mode: source,
      kubernetes_master: context.server.url,
      kubernetes_service_account_path: folder
    ]

    :k8s |> Options.new!(config, %{}) |> Options.to_native()
  end

  # Any other verb would break nothing.
  defp without("list"), do: {:error, :forbidden, "list"}
  defp without("watch"), do: {:polls, "watch"}

  defp allow(context, role, rule) do
    path = "/apis/rbac.authorization.k8s.io/v1/namespaces/#{context.namespace}/roles/#{role}"
    KubeApiserver.patch!(context.server, path, %{rules: [rule]})
  end

  ## What is in the guides

  defp blocks(path, language, heading), do: Enum.filter(Guide.blocks(path, language), &(&1.heading == heading))

  defp kind(objects, kind), do: for({%{"kind" => ^kind} = object, _text} <- objects, do: object)

  defp rbac?(object), do: object["kind"] in ["ServiceAccount", "Role", "RoleBinding"]

  defp source(%{"resources" => ["endpointslices"]}), do: :endpoint_slices
  defp source(%{"resources" => [resource]}), do: String.to_existing_atom(resource)

  # Whether all that was applied is in what is stored.
  defp covers?(stored, %{} = applied) do
    Enum.all?(applied, fn {key, value} -> is_map_key(stored, key) and covers?(stored[key], value) end)
  end

  defp covers?(stored, [_ | _] = applied) do
    length(stored) == length(applied) and
      Enum.all?(Enum.zip(stored, applied), fn {one, other} -> covers?(one, other) end)
  end

  defp covers?(stored, applied), do: stored == applied
end
