defmodule LibclusterKubernetes.Cluster.DiagnoseTest do
  # Set-ups that are broken for real, each in a pod of its own: what diagnose says there first.
  use LibclusterKubernetes.Test.Cluster.Case, async: true

  @diagnose ["/app/bin/hello_cluster", "rpc", "IO.puts(LibclusterKubernetes.diagnose(:hello_cluster))"]

  # By the name of the pod: what is wrong with it, and what is said to be.
  broken = [
    {"no-right", [spec: %{serviceAccountName: "stranger"}], "Cause: may_list: cannot list pods in namespace "},
    {"no-token", [spec: %{automountServiceAccountToken: false}], "Cause: token: "},
    {"other-namespace", [env: %{"HELLO_NAMESPACE" => "default"}],
     ~s(Cause: may_list: cannot list pods in namespace "default")},
    {"other-selector", [env: %{"HELLO_SELECTOR" => "member=pod"}], "Cause: objects: no pods in namespace "},
    {"other-labels", [labels: %{member: "none"}], "Cause: itself: "},
    {"other-cookie", [env: %{"RELEASE_COOKIE" => "another"}], "refuses the cookie of this node"},
    {"other-domain", [env: %{"CLUSTER_DOMAIN" => "nowhere"}], "warning address "},
    {"other-master", [env: %{"HELLO_MASTER" => "kubernetes.nowhere.svc"}], "Cause: address: "},
    {"no-server", [env: %{"HELLO_MASTER" => "https://127.0.0.1:1"}], "Cause: tcp: "},
    {"no-tls", [env: %{"HELLO_MASTER" => "https://$(POD_IP):4372"}], "Cause: tls: "}
  ]

  @broken for {name, opts, _said} <- broken, do: {name, opts}

  setup_all do
    scenario = Scenario.start!("diagnose", replicas: 2)

    Kubectl.apply!(scenario.namespace, [
      %{apiVersion: "v1", kind: "ServiceAccount", metadata: %{name: "stranger"}}
      | for({name, opts} <- @broken, do: App.pod(:pods, name, opts))
    ])

    %{scenario: scenario}
  end

  test "nothing is wrong with applications that are whole", %{scenario: scenario} do
    for source <- [:endpoints, :endpoint_slices] do
      [pod | _] = scenario |> Scenario.pods(source) |> Enum.filter(&Pod.stays?/1)
      assert diagnosis(scenario, pod.name) =~ "No check failed."
    end
  end

  for {name, _opts, said} <- broken do
    @tag pod: name, said: said
    test "#{name}: #{said}", %{scenario: scenario, pod: pod, said: said} do
      assert diagnosis(scenario, pod) =~ said
    end
  end

  # In one line, when its node has started. What fails first is the first line.
  defp diagnosis(scenario, pod) do
    log = "#{Scenario.path(scenario, "pods", pod)}/log"
    Scenario.await("#{pod} has started", fn -> started?(Kubectl.text(log)) end)
    scenario.namespace |> Kubectl.exec!(pod, @diagnose) |> String.split() |> Enum.join(" ")
  end

  defp started?({:ok, log}), do: log =~ ": started "
  defp started?({:error, _not_yet}), do: false
end
