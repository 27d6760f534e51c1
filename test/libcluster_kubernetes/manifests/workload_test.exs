defmodule LibclusterKubernetes.Manifests.WorkloadTest do
  # The Deployment or StatefulSet of an image, with its pods.
  use ExUnit.Case, async: true

  import LibclusterKubernetes.Test.Printed

  alias LibclusterKubernetes.Test.YAML

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

  # Whether all that is in the second is in the first.
  defp covers?(whole, %{} = part) do
    Enum.all?(part, fn {key, value} -> is_map_key(whole, key) and covers?(whole[key], value) end)
  end

  defp covers?(whole, [_ | _] = part) do
    Enum.all?(part, fn one -> Enum.any?(whole, &covers?(&1, one)) end)
  end

  defp covers?(whole, part), do: whole == part
end
