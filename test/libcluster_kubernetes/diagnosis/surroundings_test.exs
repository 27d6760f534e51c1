defmodule LibclusterKubernetes.Diagnosis.SurroundingsTest do
  use ExUnit.Case, async: true

  alias LibclusterKubernetes.Diagnosis.Surroundings

  test "the cluster's domain is in the search list that the kubelet writes" do
    for {text, domain} <- [
          {"nameserver 10.96.0.10\nsearch default.svc.cluster.local svc.cluster.local cluster.local\n",
           "cluster.local"},
          {"search a.svc.k8s.internal. svc.k8s.internal. k8s.internal.\noptions ndots:5", "k8s.internal"},
          {"search example.com\n", nil},
          {"nameserver 1.1.1.1\n", nil},
          {"# search svc.cluster.local\n", nil},
          {"", nil}
        ] do
      assert Surroundings.domain_in(text) == domain
    end
  end

  test "what a release exports, and which name the VM of eval looks at" do
    env = fn vars -> Surroundings.release(&vars[&1]) end
    assert env.(%{}) == nil
    assert %{command: "eval", distribution: "sname", node: ""} = env.(%{"RELEASE_COMMAND" => "eval"})

    named = %{"RELEASE_COMMAND" => "eval", "RELEASE_DISTRIBUTION" => "name", "RELEASE_NODE" => "app@10.0.0.1"}
    surroundings = %Surroundings{node: "nonode@nohost", longnames?: false, release: env.(named)}
    assert Surroundings.eval?(surroundings)
    assert %{node: "app@10.0.0.1", longnames?: true} = Surroundings.name(surroundings)

    started = %{surroundings | release: env.(%{named | "RELEASE_COMMAND" => "start"})}
    refute Surroundings.eval?(started)
    assert Surroundings.name(started) == started
  end

  test "this VM" do
    assert %{node: "nonode@nohost", protocol: "inet_tcp", longnames?: false, connected: []} = Surroundings.now()
  end
end
