defmodule LibclusterKubernetes.Diagnosis.OwnNameTest do
  use ExUnit.Case, async: true

  alias LibclusterKubernetes.Diagnosis.{OwnName, Surroundings}
  alias LibclusterKubernetes.Options

  @facts %{namespace: {:ok, "default"}, matching: nil, others: nil}

  defp options(config, env \\ %{}) do
    Options.new!(:k8s, Keyword.merge([kubernetes_node_basename: "app", kubernetes_selector: "a=b"], config), env)
  end

  defp differences(name, config, facts \\ @facts), do: OwnName.differences(options(config), name, facts)

  defp check(name, config, more \\ [], facts \\ @facts) do
    [_distribution, check] = OwnName.checks(options(config), struct!(Surroundings, [node: name] ++ more), facts)
    check
  end

  @hostname [mode: :hostname, kubernetes_service_name: "headless"]

  test "names that the options build" do
    for {name, config} <- [
          {"app@10.0.0.1", []},
          {"app@fd00::1", []},
          {"app@10-0-0-1.default.pod.cluster.local", [mode: :dns]},
          {"app@fd00--1.default.pod.cluster.local", [mode: :dns]},
          {"app@app-0.headless.default.svc.cluster.local", @hostname}
        ] do
      assert differences(name, config) == []
      assert %{status: :ok} = check(name, config)
    end
  end

  test "each part that differs, and only that" do
    for {name, config, expected} <- [
          {"web@10.0.0.1", [], [{:basename, "app", "web"}]},
          {"app@app.example.com", [], [{:mode, :ip, nil}]},
          {"app@10.0.0.1", [mode: :dns], [{:mode, :dns, :ip}]},
          {"app@10.0.0.1", @hostname, [{:mode, :hostname, :ip}]},
          {"app@10-0-0-1.default.pod.cluster.local", [], [{:mode, :ip, :dns}]},
          {"app@app-0.headless.default.svc.cluster.local", [mode: :dns], [{:mode, :dns, :hostname}]},
          {"app@10-0-0-1.other.pod.cluster.local", [mode: :dns], [{:namespace, "default", "other"}]},
          {"app@10-0-0-1.default.pod.k8s.internal", [mode: :dns], [{:domain, "cluster.local", "k8s.internal"}]},
          {"app@app-0.web.default.svc.cluster.local", @hostname, [{:service, "headless", "web"}]},
          {"web@app-0.web.other.svc.k8s.internal", @hostname,
           [
             {:basename, "app", "web"},
             {:service, "headless", "web"},
             {:namespace, "default", "other"},
             {:domain, "cluster.local", "k8s.internal"}
           ]}
        ] do
      assert differences(name, config) == expected, name
      assert %{status: :failed, data: %{differences: found}} = check(name, config)
      assert found == Enum.map(expected, &elem(&1, 0))
    end
  end

  test "a basename that is a label's value is nobody's to compare" do
    config = [kubernetes_node_basename: {:label, "app"}, kubernetes_ip_lookup_mode: :pods]
    assert check("web@10.0.0.1", config).status == :ok
    assert [{:mode, :ip, :dns}] = differences("web@10-0-0-1.default.pod.cluster.local", config)
    assert check("web@host.example", config).remedy =~ "The options build BASENAME@POD_IP"
  end

  test "of all namespaces none differs" do
    facts = %{@facts | namespace: {:ok, :all}}
    assert differences("app@10-0-0-1.other.pod.cluster.local", [mode: :dns], facts) == []
  end

  test "an unknown namespace differs from none" do
    facts = %{@facts | namespace: {:error, %{message: "no file"}}}
    assert differences("app@10-0-0-1.other.pod.cluster.local", [mode: :dns], facts) == []

    assert check("web@10-0-0-1.other.pod.cluster.local", [mode: :dns], [], facts).remedy =~
             "NAMESPACE.pod.cluster.local"
  end

  test "the pod's own domain decides which of two is right" do
    name = "app@10-0-0-1.default.pod.k8s.internal"

    for {domain, words} <- [
          {"k8s.internal", "set the environment variable CLUSTER_DOMAIN=k8s.internal."},
          {"cluster.local", "the options are right"},
          {"third", "CLUSTER_DOMAIN=third, and name the node so"},
          {nil, "Set kubernetes_cluster_name"}
        ] do
      assert check(name, [mode: :dns], domain: domain).remedy =~ words
    end
  end

  test "the Services that the API knows decide which of two is right" do
    name = "app@app-0.web.default.svc.cluster.local"
    objects = fn service -> %{@facts | matching: {:ok, []}, others: {:ok, [%{service: service}]}} end
    assert check(name, @hostname, [], objects.("web")).remedy =~ ~s(set kubernetes_service_name: "web")
    assert check(name, @hostname, [], objects.("headless")).remedy =~ "the options are right"
    assert check(name, @hostname, [], objects.("third")).remedy =~ "neither is one of them"
    assert check(name, @hostname).remedy =~ ~s(Set kubernetes_service_name: "web", or name the node otherwise)
  end

  test "the service account's own namespace, or this pod in the answer, decides which of two is right" do
    name = "app@10-0-0-1.other.pod.cluster.local"
    assert check(name, mode: :dns).remedy =~ "service account: the options are right, the node's name is wrong."

    config = [mode: :dns, kubernetes_namespace: "default"]
    own = "app@10-0-0-1.default.pod.cluster.local"
    answer = fn names -> Map.put(@facts, :snapshot, {:ok, %{ready: names, not_ready: [], draining: []}}) end
    assert check(name, config, [], answer.([own])).remedy =~ "as #{own}: the options are right"

    others = answer.(["app@10-0-0-2.default.pod.cluster.local"])
    assert check(name, config, [], others).remedy =~ ~s(Set kubernetes_namespace: "other", or name the node otherwise)
  end

  test "without a long name there is nothing to compare" do
    for more <- [[node: "nonode@nohost"], [node: "app@host", longnames?: false]] do
      surroundings = struct!(Surroundings, more)
      assert [%{status: :failed}, %{status: :skipped}] = OwnName.checks(options([]), surroundings, @facts)
    end
  end
end
