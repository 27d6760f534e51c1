defmodule LibclusterKubernetes.ManifestsTest do
  use ExUnit.Case, async: true

  alias LibclusterKubernetes.{Manifests, Options}
  alias LibclusterKubernetes.Test.YAML

  defp topology(config, name \\ :k8s, env \\ %{}) do
    Options.new!(
      name,
      Keyword.merge([kubernetes_node_basename: "myapp", kubernetes_selector: "app=myapp"], config),
      env
    )
  end

  defp yaml(topologies, options \\ []), do: Manifests.yaml(topologies, Keyword.put_new(options, :app, "my-app"))

  defp objects(topologies, options \\ []) do
    for {object, _text} <- topologies |> yaml(options) |> YAML.documents!(), do: object
  end

  defp one(objects, kind) do
    [object] = Enum.filter(objects, &(&1["kind"] == kind))
    object
  end

  defp kinds(objects), do: Enum.map(objects, & &1["kind"])

  defp env(workload) do
    [%{"env" => env}] = workload["spec"]["template"]["spec"]["containers"]
    env
  end

  describe "yaml/2" do
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
        assert one(objects, "Role")["metadata"] == %{"name" => role}
        assert subject == %{"kind" => "ServiceAccount", "name" => one(objects, "ServiceAccount")["metadata"]["name"]}
      end
    end

    test "does not allow watching where nothing watches" do
      polls = topology([kubernetes_watch: false], :polls)
      assert [%{"verbs" => ["list"]}] = one(objects([polls]), "Role")["rules"]
      assert [%{"verbs" => ["list", "watch"]}] = one(objects([polls, topology([])]), "Role")["rules"]
    end

    test "gives Endpoints and EndpointSlices a headless Service with the labels that are selected" do
      service = one(objects([topology(kubernetes_selector: "app in (shop, x),tier==web,!canary,a!=b")]), "Service")
      labels = %{"app" => "shop", "tier" => "web"}
      assert %{"name" => "my-app", "labels" => ^labels} = service["metadata"]
      assert %{"clusterIP" => "None", "selector" => ^labels} = service["spec"]
      refute is_map_key(service["spec"], "publishNotReadyAddresses")

      by_name =
        topology(kubernetes_ip_lookup_mode: :endpoint_slices, kubernetes_selector: "kubernetes.io/service-name=shop")

      service = one(objects([by_name]), "Service")
      assert service["metadata"]["name"] == "shop"
      assert service["spec"]["selector"] == %{"app" => "my-app"}
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

    test "describes the pods in a comment, and makes them where there is an image" do
      described = yaml([topology([])])

      assert kinds(for {object, _} <- YAML.documents!(described), do: object) ==
               ~w(ServiceAccount Role RoleBinding Service)

      [_, comment] = String.split(described, "(all of it is printed with --image IMAGE):\n#\n")
      [{template, _}] = comment |> String.replace(~r/^# /m, "") |> YAML.documents!()

      deployment = one(objects([topology([])], image: "r.example.com:5000/my-app:1.0"), "Deployment")
      [container] = deployment["spec"]["template"]["spec"]["containers"]
      assert container["image"] == "r.example.com:5000/my-app:1.0"
      container = Map.delete(container, "image")
      assert put_in(deployment["spec"]["template"]["spec"]["containers"], [container])["spec"]["template"] == template
      assert deployment["spec"]["selector"]["matchLabels"] == template["metadata"]["labels"]
    end

    test "names the node in the environment where that can be done without a shell" do
      ip = one(objects([topology([])], image: "i"), "Deployment")
      assert %{"name" => "RELEASE_NODE", "value" => "myapp@$(POD_IP)"} in env(ip)

      options = [mode: :hostname, kubernetes_service_name: "db", kubernetes_cluster_name: "corp"]
      hostname = one(objects([topology(options)], image: "i"), "StatefulSet")
      assert hostname["spec"]["serviceName"] == "db"
      node = "myapp@$(POD_NAME).db.$(NAMESPACE).svc.corp.local"

      assert ~w(POD_NAME NAMESPACE CLUSTER_DOMAIN RELEASE_DISTRIBUTION RELEASE_NODE) ==
               Enum.map(env(hostname), & &1["name"])

      assert %{"name" => "RELEASE_NODE", "value" => node} in env(hostname)

      dns = yaml([topology(mode: :dns)], image: "i")
      refute dns =~ "name: RELEASE_NODE"
      assert dns =~ "# mode: :dns has dashes for the address's dots: rel/env.sh.eex must set RELEASE_NODE.\n"
      family = yaml([topology(kubernetes_ip_family: :ipv6)], image: "i")
      assert family =~ "fieldPath: status.podIPs"
      refute family =~ "name: RELEASE_NODE"
    end

    test "starts the pods of a StatefulSet together where they are not ready before they are clustered" do
      hostname = [mode: :hostname, kubernetes_service_name: "db"]
      eager = topology([kubernetes_include_not_ready: true] ++ hostname)
      assert one(objects([eager], image: "i"), "StatefulSet")["spec"]["podManagementPolicy"] == "Parallel"
      refute yaml([topology(hostname)], image: "i") =~ "podManagementPolicy"
    end

    test "opens the fixed port, or epmd's" do
      [port] = one(objects([topology([])]), "Service")["spec"]["ports"]
      assert port == %{"name" => "tcp-epmd", "port" => 4369, "protocol" => "TCP"}
      deployment = one(objects([topology([])], image: "i", dist_port: 4370), "Deployment")
      [%{"ports" => [port]}] = deployment["spec"]["template"]["spec"]["containers"]
      assert port == %{"name" => "tcp-dist", "containerPort" => 4370, "protocol" => "TCP"}
    end

    test "takes the cookie from a Secret on request" do
      deployment = one(objects([topology([])], image: "i", cookie_secret: "my-cookie"), "Deployment")
      reference = %{"secretKeyRef" => %{"name" => "my-cookie", "key" => "cookie"}}
      assert %{"name" => "RELEASE_COOKIE", "valueFrom" => reference} in env(deployment)
    end

    test "writes a namespace where one is known" do
      refute yaml([topology([])], image: "i") =~ ~r/^ +namespace:/m

      for options <- [[namespace: "shop"], []], config = [kubernetes_namespace: "shop"] do
        for object <- objects([topology(config)], [image: "i"] ++ options) do
          assert object["metadata"]["namespace"] == "shop"
        end
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

    test "refuses topologies that no pod can be of at once" do
      assert_raise ArgumentError, ~r/no pod can have the label app as myapp and as other.*--topology/s, fn ->
        yaml([topology([]), topology([kubernetes_selector: "app=other"], :other)])
      end
    end

    test "refuses a selector that no labels can be made for" do
      for selector <- ["version>3", "app in shop", "a=b=c"] do
        assert_raise ArgumentError, ~r/no labels can be made for #{Regex.escape(inspect(selector))}/, fn ->
          yaml([topology(kubernetes_selector: selector)])
        end
      end
    end
  end
end
