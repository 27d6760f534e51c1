defmodule LibclusterKubernetes.GuidesKubeTest do
  # What the guides say to apply, applied to the real kube-apiserver as it is written.
  use ExUnit.Case, async: false

  alias LibclusterKubernetes.{Manifests, Native, Options}
  alias LibclusterKubernetes.Test.{Guide, KubeApiserver, Recorder, Topology, YAML}

  @moduletag :kube_apiserver
  @moduletag timeout: 180_000

  @migration "guides/from-libcluster.md"
  @modes "guides/modes-and-names.md"

  # What a team has that runs the stock strategy.
  @stock %{
    "mix.exs" => """
    defmodule MyApp.MixProject do
      use Mix.Project

      def project, do: [app: :my_app, version: "1.0.0", deps: deps()]

      defp deps do
        [
          {:libcluster, "~> 3.4"}
        ]
      end
    end
    """,
    "config/runtime.exs" => """
    import Config

    config :libcluster,
      topologies: [
        k8s: [
          strategy: Cluster.Strategy.Kubernetes,
          config: [
            mode: :ip,
            kubernetes_node_basename: "myapp",
            kubernetes_selector: "app=myapp",
            polling_interval: 1_000
          ]
        ]
      ]
    """,
    "the Role" => """
    apiVersion: rbac.authorization.k8s.io/v1
    kind: Role
    metadata:
      name: myapp
    rules:
      - apiGroups: [""]
        resources: ["endpoints"]
        verbs: ["get", "list"]
    """
  }

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
      Topology.wait_until(fn -> outcome(options) == :watches end)

      for verb <- rule["verbs"] do
        allow(context, role, %{rule | "verbs" => rule["verbs"] -- [verb]})
        # Roles are read through a cache.
        Topology.wait_until(fn -> outcome(options) == without(verb) end)
        allow(context, role, rule)
        Topology.wait_until(fn -> outcome(options) == :watches end)
      end
    end
  end

  test "the migration guide leads from the stock configuration to a watch, in five edits or fewer", context do
    %{server: server, namespace: namespace} = context
    edits = Guide.blocks(@migration, "diff")
    assert length(edits) in 1..5

    edited =
      for %{heading: heading, text: diff} <- edits, reduce: @stock do
        files ->
          [file] = for {file, _} <- files, heading =~ file, do: file
          Map.update!(files, file, &edit(&1, diff))
      end

    assert {_, requirement} = dependency(edited["mix.exs"])
    assert Version.match?(Mix.Project.config()[:version], requirement)

    # What the stock strategy needs is there already.
    folder = KubeApiserver.service_account!(server, namespace, "myapp")

    KubeApiserver.grant!(server, namespace, "myapp", [
      %{apiGroups: [""], resources: ["endpoints"], verbs: ["get", "list"]}
    ])

    KubeApiserver.endpoints!(server, namespace, "myapp", ["10.1.0.1"], labels: %{app: "myapp"})

    # Where the API and the account are is what a pod knows without an option.
    pod = [kubernetes_master: server.url, kubernetes_service_account_path: folder]
    [libcluster: [topologies: [k8s: topology]]] = Config.Reader.eval!("runtime.exs", edited["config/runtime.exs"])
    assert topology[:strategy] == LibclusterKubernetes.Strategy
    {:ok, recorder} = Recorder.start_link()
    fields = Recorder.mfas(recorder) ++ [topology: :guide, config: topology[:config] ++ pod]
    state = struct!(Cluster.Strategy.State, fields)

    # The edit of the role is not applied yet: it works, by polling.
    start_supervised!(Topology.child_spec(state))
    assert_receive {:connect, :"myapp@10.1.0.1", true}
    Topology.wait_until(fn -> match?({:ok, %{mode: :poll}}, LibclusterKubernetes.info(:guide)) end)
    stop_supervised!(:guide)

    [{role, text}] = YAML.documents!(edited["the Role"])
    KubeApiserver.apply_yaml!(server, namespace, role, text)
    Topology.wait_until(fn -> outcome(Options.to_native(Options.new!(:guide, state.config))) == :watches end)
    start_supervised!(Topology.child_spec(state))
    Topology.wait_until(fn -> match?({:ok, %{mode: :watch}}, LibclusterKubernetes.info(:guide)) end)
    KubeApiserver.endpoints!(server, namespace, "myapp", ["10.1.0.1", "10.1.0.2"], labels: %{app: "myapp"})
    assert_receive {:connect, :"myapp@10.1.0.2", true}
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
      assert outcome(options(context, "my-app", source(rule))) == :watches
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

  # How it goes with these options: to a watch, to polls, or to an error.
  defp outcome(options) do
    {:ok, {worker, ref} = started} = Native.start(options, self())
    outcome = first_outcome(started)
    :ok = Native.stop(worker)
    flush(ref)
    outcome
  end

  defp first_outcome({worker, ref} = started) do
    receive do
      {:libcluster_kubernetes, ^ref, :watching} ->
        :watches

      {:libcluster_kubernetes, ^ref, {:error, %{kind: kind, advice: advice}}} ->
        [_, verb] = Regex.run(~r/verb "(\w+)"/, advice)
        {:error, kind, verb}

      {:libcluster_kubernetes, ^ref, {:changed, _mark, _gone, %{warnings: [warning]}}} ->
        [_, verb] = Regex.run(~r/verb "(\w+)".*Until then it polls/, warning)
        {:polls, verb}

      {:libcluster_kubernetes, ^ref, {:snapshot, _}} ->
        :ok = Native.acknowledge(worker, ref)
        first_outcome(started)

      {:libcluster_kubernetes, ^ref, _report} ->
        first_outcome(started)
    after
      5_000 -> flunk("neither a watch nor an error came")
    end
  end

  defp flush(ref) do
    receive do
      {:libcluster_kubernetes, ^ref, _} -> flush(ref)
    after
      0 -> :ok
    end
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

  # One line for one line, wherever it is indented to.
  defp edit(file, diff) do
    [old, new] =
      for sign <- ["-", "+"] do
        assert [line] = for(line <- String.split(diff, "\n"), String.starts_with?(line, sign), do: line)
        line |> String.replace_prefix(sign, "") |> String.trim()
      end

    assert length(String.split(file, old)) == 2, "#{inspect(old)} is not, or not once, in:\n#{file}"
    String.replace(file, old, new)
  end

  defp dependency(mix_exs) do
    {_, [found]} =
      mix_exs
      |> Code.string_to_quoted!()
      |> Macro.prewalk([], fn
        {:libcluster_kubernetes, requirement} = dependency, found when is_binary(requirement) ->
          {dependency, [dependency | found]}

        other, found ->
          {other, found}
      end)

    found
  end

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
