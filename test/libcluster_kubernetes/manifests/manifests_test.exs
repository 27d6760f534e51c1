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

  defp container(workload) do
    [container] = workload["spec"]["template"]["spec"]["containers"]
    container
  end

  defp env(workload), do: container(workload)["env"]

  # What Options does not accept yet, or not here.
  defp with_value(topology, key, value), do: put_in(topology.values[key], value)

  # The comments after the objects, without what makes them comments, in one line each.
  defp notes(topologies, options \\ []) do
    [_, notes] = topologies |> yaml(options) |> String.split(~r/^(?=# (?!For the topologies))/m, parts: 2)
    notes |> String.replace(~r/\n#   (?=\S)/, " ") |> String.replace(~r/^# ?/m, "")
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

    test "takes the value of a set that is the application's name, and says so" do
      several = topology(kubernetes_selector: "app in (other, my-app), kind")
      objects = objects([several], image: "i")
      assert one(objects, "Service")["spec"]["selector"] == %{"app" => "my-app", "kind" => "true"}
      assert one(objects, "Deployment")["spec"]["selector"]["matchLabels"] == %{"app" => "my-app", "kind" => "true"}
      assert notes([several]) =~ "kubernetes_selector takes other, my-app for the label app: here it is my-app."
      assert notes([several]) =~ "kubernetes_selector takes any value for the label kind: here it is true."

      slices = [kubernetes_ip_lookup_mode: :endpoint_slices]
      services = topology([kubernetes_selector: "kubernetes.io/service-name in (x, my-app-headless)"] ++ slices)
      assert one(objects([services]), "Service")["metadata"]["name"] == "my-app-headless"
    end

    test "takes the value of a set that is given, or that no other requirement excludes" do
      several = topology(kubernetes_selector: "app in (a, b, c)")
      assert one(objects([several], labels: %{"app" => "b"}), "Service")["spec"]["selector"] == %{"app" => "b"}
      refute notes([several], labels: %{"app" => "b"}) =~ "--label chooses another"

      left = topology(kubernetes_selector: "app in (a, b),app!=a")
      assert one(objects([left]), "Service")["spec"]["selector"] == %{"app" => "b"}
      other = topology([kubernetes_selector: "app in (b, c)"], :other)

      assert one(objects([topology(kubernetes_selector: "app in (a, b)"), other]), "Service")["spec"]["selector"]["app"] ==
               "b"
    end

    test "refuses to choose among the values of a set, and what a selector would not find" do
      several = topology(kubernetes_selector: "app in (a, b)")
      error = assert_raise ArgumentError, fn -> yaml([several]) end

      assert error.message ==
               "kubernetes_selector takes a, b for the label app, and a pod has one of them: choose it by --label app=a"

      for {selector, labels} <- [
            {"app in (a, b)", %{"app" => "c"}},
            {"app=a,!x", %{"x" => "1"}},
            {"!app.kubernetes.io/name", %{}}
          ] do
        assert_raise ArgumentError,
                     ~r/of topology :k8s is #{Regex.escape(inspect(selector))}, which would not find these pods/,
                     fn ->
                       yaml([topology(kubernetes_selector: selector)], labels: labels)
                     end
      end

      for selector <- ["app=a,app=b", "app in (a),app!=a", "app in (a, b),app notin (a, b)"] do
        assert_raise ArgumentError, ~r/no pod can have a label app that is in a.* and .*contradicts itself/, fn ->
          yaml([topology(kubernetes_selector: selector)])
        end
      end
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

      [_, comment] = String.split(described, "(a whole one is printed with --image IMAGE):\n#\n")
      [template, _] = String.split(comment, "\n#\n", parts: 2)
      [{template, _}] = template |> String.replace(~r/^# /m, "") |> YAML.documents!()

      deployment = one(objects([topology([])], image: "r.example.com:5000/my-app"), "Deployment")
      assert container(deployment)["image"] == "r.example.com:5000/my-app"
      assert covers?(deployment["spec"]["template"], template)
      assert covers?(template["metadata"]["labels"], deployment["spec"]["selector"]["matchLabels"])
    end

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

    test "starts the pods of a StatefulSet together where they are not ready before they are clustered" do
      hostname = [mode: :hostname, kubernetes_service_name: "db"]
      eager = topology([kubernetes_include_not_ready: true] ++ hostname)
      assert one(objects([eager], image: "i"), "StatefulSet")["spec"]["podManagementPolicy"] == "Parallel"
      refute yaml([topology(hostname)], image: "i") =~ "podManagementPolicy"
    end

    test "opens the fixed port, or epmd's, and a pod is ready once somebody listens there" do
      [port] = one(objects([topology([])]), "Service")["spec"]["ports"]
      assert port == %{"name" => "tcp-epmd", "port" => 4369, "protocol" => "TCP"}

      for {options, name, number} <- [{[], "tcp-epmd", 4369}, {[dist_port: 4370], "tcp-dist", 4370}] do
        container = container(one(objects([topology([])], [image: "i"] ++ options), "Deployment"))
        assert container["ports"] == [%{"name" => name, "containerPort" => number, "protocol" => "TCP"}]
        assert %{"tcpSocket" => %{"port" => ^name}} = container["readinessProbe"]
      end
    end

    test "makes a workload that can be applied as it is" do
      for config <- [[], [mode: :hostname, kubernetes_service_name: "db"]] do
        objects = objects([topology(config)], image: "r.example.com/my-app:1.2.3", dist_port: 4370)
        [workload] = for %{"apiVersion" => "apps/v1"} = workload <- objects, do: workload
        assert %{"replicas" => 3, "minReadySeconds" => seconds, "template" => template} = workload["spec"]
        assert seconds > 0
        assert %{"terminationGracePeriodSeconds" => 60, "serviceAccountName" => "my-app"} = template["spec"]

        # https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
        assert %{"runAsNonRoot" => true, "seccompProfile" => %{"type" => "RuntimeDefault"}} =
                 template["spec"]["securityContext"]

        container = container(workload)

        assert %{"allowPrivilegeEscalation" => false, "capabilities" => %{"drop" => ["ALL"]}} =
                 container["securityContext"]

        assert %{"requests" => %{"memory" => memory, "cpu" => _}, "limits" => %{"memory" => memory} = limits} =
                 container["resources"]

        refute is_map_key(limits, "cpu")

        # It writes where there is a volume.
        [%{"name" => volume, "mountPath" => path}] = container["volumeMounts"]
        assert [%{"name" => ^volume}] = template["spec"]["volumes"]
        assert %{"name" => "RELEASE_TMP", "value" => path} in env(workload)

        for object <- objects, do: assert(object["metadata"]["labels"]["app.kubernetes.io/name"] == "my-app")
        assert template["metadata"]["labels"]["app.kubernetes.io/version"] == "1.2.3"
        budget = one(objects, "PodDisruptionBudget")
        assert budget["spec"]["maxUnavailable"] == 1
        assert budget["spec"]["selector"] == workload["spec"]["selector"]
      end

      surge = one(objects([topology([])], image: "i"), "Deployment")["spec"]["strategy"]["rollingUpdate"]
      assert surge == %{"maxSurge" => 1, "maxUnavailable" => 0}
    end

    test "says why beside each line that is a choice" do
      made = yaml([topology([])], image: "i", dist_port: 4370, cookie_secret: "c")

      for key <-
            ~w(replicas minReadySeconds strategy terminationGracePeriodSeconds runAsUser readinessProbe resources limits) ++
              ~w(readOnlyRootFilesystem maxUnavailable unhealthyPodEvictionPolicy) do
        assert made =~ ~r/^[ -]*#{key}:[^#\n]* # \w/m, key
      end
    end

    test "a version is the image's tag, where there is one that can be a label" do
      for {image, version} <- [
            {"my-app", nil},
            {"r.example.com:5000/my-app", nil},
            {"r.example.com:5000/my-app:1.0-rc.1", "1.0-rc.1"},
            {"my-app:1.0@sha256:" <> String.duplicate("0", 64), nil},
            {"my-app:1.0-", nil}
          ] do
        deployment = one(objects([topology([])], image: image), "Deployment")
        assert deployment["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/version"] == version
      end
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
      assert_raise ArgumentError, ~r/no pod can have a label app that is in myapp and in other.*--topology/s, fn ->
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

    test "refuses what an environment variable gives in pods only" do
      for key <- [:kubernetes_selector, :kubernetes_node_basename] do
        assert_raise ArgumentError,
                     ~r/topology :k8s has no #{key} here: where it comes from an environment variable/,
                     fn ->
                       yaml([with_value(topology([]), key, nil)])
                     end
      end
    end
  end

  describe "yaml/2 ends with comments, and" do
    test "says what slices would give where Endpoints are looked up" do
      assert notes([topology([])]) =~
               ":k8s looks up Endpoints, which are deprecated since Kubernetes 1.33. With " <>
                 "kubernetes_ip_lookup_mode: :endpoint_slices nodes that terminate are seen"

      for source <- [:endpoint_slices, :pods] do
        refute notes([topology(kubernetes_ip_lookup_mode: source)]) =~ "deprecated"
      end
    end

    test "says that the release must listen on a fixed port, and how" do
      made = notes([topology([])], dist_port: 4370)
      assert made =~ "The release must listen on port 4370, by the lines above, or no pod gets ready"
      release = Manifests.release([topology([])], app: "my-app", dist_port: 4370)
      indented = for line <- String.split(release, "\n"), do: String.trim_trailing("    #{line}")
      assert made =~ Enum.join(indented, "\n")
    end

    test "says what stands against a node that works long while it terminates" do
      late = "loses its links"

      assert notes([topology(kubernetes_disconnect_after: 59_999)], image: "i") =~
               "kubernetes_disconnect_after is 59999 ms"

      refute notes([topology(kubernetes_disconnect_after: 60_000)], image: "i") =~ late
      refute notes([topology(kubernetes_disconnect_after: :never)], image: "i") =~ late
      slices = topology(kubernetes_disconnect_after: 0, kubernetes_ip_lookup_mode: :endpoint_slices)
      refute notes([slices], image: "i") =~ late
    end

    test "says which label a rollout is told by, unless the pods have it" do
      rollout = &topology(kubernetes_ip_lookup_mode: :pods, kubernetes_rollout_label: &1)
      version = "app.kubernetes.io/version"
      assert notes([rollout.(version)]) =~ "the pods need the label #{version}, with another value for each version"
      refute notes([rollout.(version)], labels: %{version => "1"}) =~ "the pods need the label"
      refute notes([rollout.(version)], image: "my-app:1") =~ "the pods need the label"
      refute notes([rollout.("pod-template-hash")]) =~ "the pods need the label"
    end

    test "says what a field selector may leave out" do
      topology = with_value(topology([]), :kubernetes_field_selector, "metadata.name=x")
      assert notes([topology]) =~ ~s(:k8s finds only what kubernetes_field_selector "metadata.name=x" selects)
    end

    test "ends with who starts it" do
      assert [_, "    {Cluster.Supervisor, " <> arguments] =
               [topology([])] |> notes() |> String.trim_trailing() |> String.split("\n") |> Enum.take(-2)

      assert {[topologies: _], []} = Code.eval_string("[topologies: #{String.trim_trailing(arguments, "}")}]")
    end

    test "has no line that is much longer than a screen" do
      for config <- [[], [mode: :dns], [mode: :hostname, kubernetes_service_name: "db"]],
          options <- [[], [image: "i"], [image: "i", dist_port: 4370]],
          line <- [topology(config)] |> yaml(options) |> String.split("\n") do
        assert String.length(line) <= 120, line
      end
    end
  end

  # Whether all that is in the second is in the first.
  defp covers?(whole, %{} = part) do
    Enum.all?(part, fn {key, value} -> is_map_key(whole, key) and covers?(whole[key], value) end)
  end

  defp covers?(whole, [_ | _] = part) do
    Enum.all?(part, fn one -> Enum.any?(whole, &covers?(&1, one)) end)
  end

  defp covers?(whole, part), do: whole == part
end
