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
    args = ~w(--app shop --namespace prod --image shop:1 --dist-port 4370 --cookie-secret shop-cookie --label tier=web)
    yaml = run(args)
    assert Enum.take(kinds(yaml), -2) == ["Deployment", "PodDisruptionBudget"]

    for part <-
          [
            "name: shop\n",
            "namespace: prod\n",
            "image: \"shop:1\"",
            "containerPort: 4370",
            "name: shop-cookie",
            "tier: web"
          ] do
      assert yaml =~ part
    end
  end

  test "prints what the release needs, and nothing else, with --release" do
    configure(k8s: ours(mode: :dns))
    release = run(["--release", "--dist-port", "4370"])
    assert release =~ "# rel/env.sh.eex\n"
    assert release =~ ~s(export RELEASE_NODE="shop@$POD_DASHES.$NAMESPACE.pod.cluster.local"\n)
    assert release =~ "\n# rel/vm.args.eex (OTP 25 and later)\n-start_epmd false -erl_epmd_port 4370\n"
    refute release =~ "apiVersion"

    configure(k8s: ours(mode: :hostname, kubernetes_service_name: "shop"))
    assert run(["--release"]) == "# Nothing: the environment of the pods names the node.\n"
  end

  test "chooses a value of a set by --label" do
    configure(k8s: ours(kubernetes_selector: "app in (a, b)"))
    assert run(["--label", "app=b"]) =~ "app: b\n"
    assert_raise Mix.Error, ~r/choose it by --label app=a/, fn -> run([]) end
  end

  # The root of an umbrella has no name. The task is on the code path by ERL_LIBS, which Mix leaves alone.
  @tag :tmp_dir
  test "in an umbrella's root the objects are named after the nodes", %{tmp_dir: root} do
    File.mkdir_p!(Path.join(root, "apps/shop/lib"))
    File.mkdir_p!(Path.join(root, "config"))
    mix_exs = &"defmodule #{&1}.MixProject do\n  use Mix.Project\n  def project, do: #{inspect(&2)}\nend\n"
    File.write!(Path.join(root, "mix.exs"), mix_exs.("Root", apps_path: "apps", prune_code_paths: false))

    File.write!(
      Path.join(root, "apps/shop/mix.exs"),
      mix_exs.("Shop", app: :shop, version: "0.1.0", build_path: "../../_build", prune_code_paths: false)
    )

    basename = fn name ->
      topologies = inspect(k8s: ours(kubernetes_node_basename: name))

      File.write!(
        Path.join(root, "config/config.exs"),
        "import Config\nconfig :libcluster, topologies: #{topologies}\n"
      )
    end

    basename.("web_shop")
    env = [{"MIX_ENV", "dev"}, {"MIX_BUILD_PATH", nil}, {"ERL_LIBS", Path.expand("..", Mix.Project.app_path())}]
    run = &System.cmd("mix", &1, cd: root, env: env, stderr_to_stdout: true)

    assert {_, 0} = run.(["compile"])
    assert {yaml, 0} = run.(["libcluster_kubernetes.gen.manifests"])
    [{%{"kind" => "ServiceAccount", "metadata" => %{"name" => "web-shop"}}, _} | objects] = YAML.documents!(yaml)
    assert "web-shop-headless" in for({object, _} <- objects, do: object["metadata"]["name"])
    assert {named, 0} = run.(["libcluster_kubernetes.gen.manifests", "--app", "other"])
    assert named =~ "name: other\n"

    basename.("1shop")
    assert {said, 1} = run.(["libcluster_kubernetes.gen.manifests"])
    assert said =~ ~s("1shop" cannot be the name of the objects: give one by --app, at most 52 of a-z, 0-9 and -)
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
    # NAME-headless is a Service.
    assert_raise Mix.Error, ~r/--app is "a{53}", but must be at most 52/, fn ->
      run(["--app", String.duplicate("a", 53)])
    end

    assert run(["--app", String.duplicate("a", 52)]) =~ String.duplicate("a", 52) <> "-headless\n"

    for label <- ["app", "app=a b", "app=-", "=a", "a/b/c=d"] do
      assert_raise Mix.Error, ~r/--label is "#{label}", but must be KEY=VALUE/, fn -> run(["--label", label]) end
    end

    assert_raise Mix.Error, ~r/--nope: unknown/, fn -> run(["--nope"]) end
    assert_raise Mix.Error, ~r/more: unknown/, fn -> run(["more"]) end
  end
end
