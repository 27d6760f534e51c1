defmodule LibclusterKubernetes.Manifests.ServicesTest do
  # Which Services there are, and what for.
  use ExUnit.Case, async: true

  import LibclusterKubernetes.Test.Printed

  test "gives Endpoints and EndpointSlices a headless Service of a name of its own, with the labels that are selected" do
    service = one(objects([topology(kubernetes_selector: "app=shop,tier==web,!canary,a!=b")]), "Service")
    labels = %{"app" => "shop", "tier" => "web"}
    assert %{"name" => "my-app-headless", "labels" => service_labels} = service["metadata"]
    assert Map.take(service_labels, ["app", "tier"]) == labels
    assert %{"clusterIP" => "None", "selector" => ^labels} = service["spec"]
    refute is_map_key(service["spec"], "publishNotReadyAddresses")

    by_name =
      topology(kubernetes_ip_lookup_mode: :endpoint_slices, kubernetes_selector: "kubernetes.io/service-name=shop")

    service = one(objects([by_name]), "Service")
    assert service["metadata"]["name"] == "shop"
    assert service["spec"]["selector"] == %{"app.kubernetes.io/name" => "my-app"}
  end

  test "makes no Service for pods that are found by themselves" do
    for mode <- [:ip, :dns] do
      assert kinds(objects([topology(mode: mode, kubernetes_ip_lookup_mode: :pods)])) ==
               ~w(ServiceAccount Role RoleBinding)
    end
  end

  test "publishes addresses that are not ready where names are DNS names of a Service" do
    hostname = topology(mode: :hostname, kubernetes_service_name: "db", kubernetes_ip_lookup_mode: :pods)
    service = one(objects([hostname]), "Service")
    assert %{"name" => "db"} = service["metadata"]
    assert %{"publishNotReadyAddresses" => true} = service["spec"]
  end
end
