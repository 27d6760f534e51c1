defmodule LibclusterKubernetes.Diagnosis.DistributionTest do
  use ExUnit.Case, async: true

  alias LibclusterKubernetes.Diagnosis.{Distribution, Surroundings}
  alias LibclusterKubernetes.Options

  @facts %{namespace: {:ok, "prod"}}

  defp check(surroundings, config \\ []) do
    options = Options.new!(:k8s, [kubernetes_node_basename: "app", kubernetes_selector: "a=b"] ++ config, %{})
    Distribution.check(options, Surroundings.name(struct!(Surroundings, surroundings)), @facts)
  end

  defp eval(distribution, node) do
    check(node: "nonode@nohost", longnames?: false, release: %{command: "eval", distribution: distribution, node: node})
  end

  test "what is wrong with the name of a node that runs" do
    assert %{status: :ok} = check(node: "app@10.0.0.1")
    assert %{status: :failed, found: "this node is not distributed" <> _} = check(node: "nonode@nohost")
    assert %{status: :failed, found: "app@host is a short name" <> _} = check(node: "app@host", longnames?: false)
  end

  test "the lines that name a node are of the mode, and both places are named" do
    hostname = [mode: :hostname, kubernetes_service_name: "headless"]

    for {config, line} <- [
          {[], "export RELEASE_NODE=app@$POD_IP\n"},
          {[mode: :dns], "export RELEASE_NODE=app@$POD_DASHES.prod.pod.cluster.local\n"},
          {hostname, "export RELEASE_NODE=app@$(hostname).headless.prod.svc.cluster.local\n"}
        ] do
      remedy = check([node: "nonode@nohost"], config).remedy
      assert remedy =~ line
      assert remedy =~ "rel/env.sh.eex"
      assert remedy =~ "container's env:"
    end
  end

  # A pod that crashes takes no rpc.
  test "in the VM of eval, what the release would start with" do
    assert %{status: :failed, found: found, remedy: remedy} = eval("sname", "app@10.0.0.1")
    assert found =~ "RELEASE_DISTRIBUTION is sname, but RELEASE_NODE is app@10.0.0.1, a long name"
    assert found =~ "nodistribution"
    assert remedy =~ "export RELEASE_DISTRIBUTION=name"
    refute remedy =~ "RELEASE_NODE"

    assert %{status: :failed, found: "RELEASE_DISTRIBUTION is none" <> _} = eval("none", "app@10.0.0.1")
    assert %{status: :failed, found: ~s(RELEASE_NODE is "app") <> _} = eval("name", "app")
    assert %{status: :skipped} = eval("sname", "app")
    assert %{status: :ok, found: found} = eval("name", "app@10.0.0.1")
    assert found =~ "the release starts with the long name app@10.0.0.1"
  end

  test "a name of one family of addresses, and a distribution over the other" do
    for node <- ["app@fd00::7", "app@fd00--7.prod.pod.cluster.local", "app@fd00-1-2-3-4-5-6-7.prod.pod.cluster.local"] do
      assert %{status: :failed, found: found, remedy: remedy} = check(node: node)
      assert found =~ "named after an IPv6 address, but its distribution is over IPv4 (inet_tcp)"
      assert remedy =~ "-proto_dist inet6_tcp"
      assert %{status: :ok} = check(node: node, protocol: "inet6_tcp")
      assert check(node: node, protocol: "inet_tls").remedy =~ "-proto_dist inet6_tls"
    end

    for node <- ["app@10.0.0.1", "app@10-0-0-1.prod.pod.cluster.local"] do
      assert %{status: :failed, found: found} = check(node: node, protocol: "inet6_tcp")
      assert found =~ "named after an IPv4 address"
    end

    # A host name may be of either.
    assert %{status: :ok} = check(node: "app@app-0.web.prod.svc.cluster.local", protocol: "inet6_tcp")
  end
end
