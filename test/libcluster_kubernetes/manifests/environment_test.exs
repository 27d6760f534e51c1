defmodule LibclusterKubernetes.Manifests.EnvironmentTest do
  # The name of the node and the cookie, in the environment of the pods.
  use ExUnit.Case, async: true

  import LibclusterKubernetes.Test.Printed

  test "names the node in the environment where that can be done without a shell" do
    ip = one(objects([topology([])], image: "i"), "Deployment")
    assert %{"name" => "RELEASE_NODE", "value" => "myapp@$(POD_IP)"} in env(ip)

    options = [mode: :hostname, kubernetes_service_name: "db", kubernetes_cluster_name: "corp"]
    hostname = one(objects([topology(options)], image: "i"), "StatefulSet")
    assert hostname["spec"]["serviceName"] == "db"
    node = "myapp@$(POD_NAME).db.$(NAMESPACE).svc.corp.local"

    assert ~w(POD_NAME NAMESPACE CLUSTER_DOMAIN RELEASE_DISTRIBUTION RELEASE_NODE RELEASE_TMP) ==
             Enum.map(env(hostname), & &1["name"])

    assert %{"name" => "RELEASE_NODE", "value" => node} in env(hostname)

    for config <- [[mode: :dns], [kubernetes_ip_family: :ipv6]] do
      made = yaml([topology(config)], image: "i")
      refute made =~ "name: RELEASE_NODE"
      assert made =~ "export RELEASE_NODE="
    end

    assert yaml([topology(kubernetes_ip_family: :ipv6)], image: "i") =~ "fieldPath: status.podIPs"
  end

  test "names the node after a label of its pod, which the pod has" do
    topology =
      [kubernetes_ip_lookup_mode: :pods]
      |> topology()
      |> with_value(:kubernetes_node_basename, {:label, "app.kubernetes.io/component"})

    deployment = one(objects([topology], image: "i"), "Deployment")
    assert %{"app.kubernetes.io/component" => "my-app"} = deployment["spec"]["template"]["metadata"]["labels"]
    assert %{"name" => "RELEASE_NODE", "value" => "my-app@$(POD_IP)"} in env(deployment)
    deployment = one(objects([topology], image: "i", labels: %{"app.kubernetes.io/component" => "web"}), "Deployment")
    assert %{"name" => "RELEASE_NODE", "value" => "web@$(POD_IP)"} in env(deployment)
  end

  test "takes the cookie from a Secret on request" do
    deployment = one(objects([topology([])], image: "i", cookie_secret: "my-cookie"), "Deployment")
    reference = %{"secretKeyRef" => %{"name" => "my-cookie", "key" => "cookie"}}
    assert %{"name" => "RELEASE_COOKIE", "valueFrom" => reference} in env(deployment)
  end
end
