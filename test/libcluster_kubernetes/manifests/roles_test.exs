defmodule LibclusterKubernetes.Manifests.RolesTest do
  # What the pods may ask the API.
  use ExUnit.Case, async: true

  import LibclusterKubernetes.Test.Printed

  test "allows what the source needs, and binds it to the account of the pods" do
    for {source, group, resource} <- [
          {:endpoints, "", "endpoints"},
          {:endpoint_slices, "discovery.k8s.io", "endpointslices"},
          {:pods, "", "pods"}
        ] do
      objects = objects([topology(kubernetes_ip_lookup_mode: source)])

      assert one(objects, "Role")["rules"] == [
               %{"apiGroups" => [group], "resources" => [resource], "verbs" => ["list", "watch"]}
             ]

      assert %{"roleRef" => %{"name" => role}, "subjects" => [subject]} = one(objects, "RoleBinding")
      assert %{"name" => ^role} = one(objects, "Role")["metadata"]
      assert subject == %{"kind" => "ServiceAccount", "name" => one(objects, "ServiceAccount")["metadata"]["name"]}
    end
  end

  test "does not allow watching where nothing watches" do
    polls = topology([kubernetes_watch: false], :polls)
    assert [%{"verbs" => ["list"]}] = one(objects([polls]), "Role")["rules"]
    assert [%{"verbs" => ["list", "watch"]}] = one(objects([polls, topology([])]), "Role")["rules"]
  end

  test "allows the whole cluster where all namespaces are looked in, and only there" do
    everywhere = with_value(topology([], :everywhere), :kubernetes_namespace, :all)
    here = topology([kubernetes_ip_lookup_mode: :pods], :here)
    objects = objects([everywhere, here], namespace: "shop", image: "i")
    assert %{"name" => "shop-my-app-libcluster"} = metadata = one(objects, "ClusterRole")["metadata"]
    refute is_map_key(metadata, "namespace")
    assert [%{"resources" => ["endpoints"], "verbs" => ["list", "watch"]}] = one(objects, "ClusterRole")["rules"]
    binding = one(objects, "ClusterRoleBinding")
    assert %{"kind" => "ClusterRole", "name" => "shop-my-app-libcluster"} = binding["roleRef"]
    assert binding["subjects"] == [%{"kind" => "ServiceAccount", "name" => "my-app", "namespace" => "shop"}]
    assert [%{"resources" => ["pods"]}] = one(objects, "Role")["rules"]
    # These pods are among those that are found.
    assert %{"app" => "myapp"} = one(objects, "Service")["spec"]["selector"]

    assert_raise ArgumentError, ~r/:everywhere looks in all namespaces.*say by --namespace/, fn ->
      yaml([everywhere])
    end
  end

  test "lets the pods look into other namespaces, one role in each" do
    topologies = [topology([]), topology([kubernetes_namespace: "other", kubernetes_selector: "app=other"], :other)]
    objects = objects(topologies, namespace: "shop", image: "i")
    assert ["other", "shop"] = for(%{"kind" => "Role"} = role <- objects, do: role["metadata"]["namespace"])
    [foreign, own] = for %{"kind" => "RoleBinding"} = binding <- objects, do: binding["subjects"]
    assert foreign == [%{"kind" => "ServiceAccount", "name" => "my-app", "namespace" => "shop"}]
    assert own == [%{"kind" => "ServiceAccount", "name" => "my-app"}]
    # The Service there is somebody else's.
    assert %{"labels" => %{"app" => "myapp"}} = one(objects, "Service")["metadata"]

    assert_raise ArgumentError, ~r/look in different namespaces \(the pods' own, other\): say by --namespace/, fn ->
      yaml(topologies)
    end
  end
end
