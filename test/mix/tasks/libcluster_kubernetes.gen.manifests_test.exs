defmodule LibclusterKubernetes.GenManifestsTest do
  # Mix's shell and the environment of an application belong to the whole VM.
  use ExUnit.Case, async: false

  import ExUnit.CaptureIO

  alias LibclusterKubernetes.Test.YAML
  alias Mix.Tasks.LibclusterKubernetes.Gen.Manifests

  @config [kubernetes_node_basename: "shop", kubernetes_selector: "app=shop"]

  setup do
    on_exit(fn -> Application.delete_env(:libcluster, :topologies) end)
  end

  defp configure(topologies), do: Application.put_env(:libcluster, :topologies, topologies)

  defp ours(config \\ []), do: [strategy: LibclusterKubernetes.Strategy, config: Keyword.merge(@config, config)]

  defp run(args), do: capture_io(fn -> Manifests.run(args) end)

  defp kinds(yaml), do: for({object, _text} <- YAML.documents!(yaml), do: object["kind"])

  test "prints nothing but YAML for the topologies that are configured" do
    configure(k8s: ours(), gossip: [strategy: Cluster.Strategy.Gossip])
    yaml = run([])
    assert yaml =~ "# For the topologies of config :libcluster: :k8s."
    assert yaml =~ "name: libcluster-kubernetes\n"
    assert kinds(yaml) == ~w(ServiceAccount Role RoleBinding Service)
  end

  test "serves a configuration of the stock strategy" do
    configure(k8s: [strategy: Cluster.Strategy.Kubernetes, config: @config])
    assert kinds(run([])) == ~w(ServiceAccount Role RoleBinding Service)
  end

  test "chooses topologies" do
    configure(one: ours(), two: ours(kubernetes_ip_lookup_mode: :pods))
    assert run([]) =~ ":one, :two"
    assert kinds(run(["--topology", "two"])) == ~w(ServiceAccount Role RoleBinding)
    error = assert_raise Mix.Error, fn -> run(["--topology", "three"]) end
    assert error.message == "no topology is called three: there is one, two"
  end

  test "passes the other options on" do
    configure(k8s: ours())
    args = ~w(--app shop --namespace prod --image shop:1 --dist-port 4370 --cookie-secret shop-cookie)
    yaml = run(args)
    assert List.last(kinds(yaml)) == "Deployment"

    for part <- ["name: shop\n", "namespace: prod\n", "image: \"shop:1\"", "containerPort: 4370", "name: shop-cookie"] do
      assert yaml =~ part
    end
  end

  test "says what is missing or wrong, on one line" do
    configure([])

    assert_raise Mix.Error, ~r/no topology with LibclusterKubernetes.Strategy in MIX_ENV=test.*MIX_ENV=prod/, fn ->
      run([])
    end

    configure(k8s: ours(mode: :ipv4))
    assert_raise Mix.Error, ~r/topology :k8s: the option mode is :ipv4/, fn -> run([]) end
    configure(k8s: ours())
    assert_raise Mix.Error, ~r/--dist-port: unknown, or without a valid value/, fn -> run(["--dist-port", "x"]) end
    assert_raise Mix.Error, ~r/--dist-port is 70000/, fn -> run(["--dist-port", "70000"]) end
    assert_raise Mix.Error, ~r/--app is "My_App"/, fn -> run(["--app", "My_App"]) end
    assert_raise Mix.Error, ~r/--nope: unknown/, fn -> run(["--nope"]) end
    assert_raise Mix.Error, ~r/more: unknown/, fn -> run(["more"]) end
  end
end
