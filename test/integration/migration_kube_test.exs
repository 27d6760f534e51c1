defmodule LibclusterKubernetes.MigrationKubeTest do
  # The edits of the migration guide, made to what runs the stock strategy, on the real kube-apiserver.
  use ExUnit.Case, async: false

  alias LibclusterKubernetes.Options
  alias LibclusterKubernetes.Test.{Guide, KubeApiserver, Outcome, Recorder, Topology, YAML}

  @moduletag :kube_apiserver
  @moduletag timeout: 180_000

  @migration "guides/from-libcluster.md"

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
    namespace = "migration-#{System.unique_integer([:positive])}"
    KubeApiserver.namespace!(server, namespace)
    %{namespace: namespace}
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
    Topology.wait_until(fn -> Outcome.of(Options.to_native(Options.new!(:guide, state.config))) == :watches end)
    start_supervised!(Topology.child_spec(state))
    Topology.wait_until(fn -> match?({:ok, %{mode: :watch}}, LibclusterKubernetes.info(:guide)) end)
    KubeApiserver.endpoints!(server, namespace, "myapp", ["10.1.0.1", "10.1.0.2"], labels: %{app: "myapp"})
    assert_receive {:connect, :"myapp@10.1.0.2", true}
  end

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
end
