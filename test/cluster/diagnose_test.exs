defmodule LibclusterKubernetes.Cluster.DiagnoseTest do
  # Set-ups that are broken for real, each in a pod of its own: what diagnose says there first. Those that are most frequent
  # are in broken_test.exs.
  use LibclusterKubernetes.Test.Cluster.Case, async: true

  alias LibclusterKubernetes.Test.Cluster.Said

  # By the name of the pod: what is wrong with it, and what is said to be.
  broken = [
    {"no-token", [spec: %{automountServiceAccountToken: false}], "Cause: token: "},
    {"other-namespace", [env: %{"HELLO_NAMESPACE" => "default"}],
     ~s(Cause: may_list: cannot list pods in namespace "default")},
    {"other-labels", [labels: %{member: "none"}], "is not in the answer, so that the others do not connect to it"},
    {"other-domain", [env: %{"CLUSTER_DOMAIN" => "nowhere"}], "warning address "},
    {"other-master", [env: %{"HELLO_MASTER" => "kubernetes.nowhere.svc"}], "Cause: address: "},
    {"no-server", [env: %{"HELLO_MASTER" => "https://127.0.0.1:1"}], "Cause: tcp: "},
    {"no-tls", [env: %{"HELLO_MASTER" => "https://$(POD_IP):4372"}], "Cause: tls: "}
  ]

  @broken for {name, opts, _said} <- broken, do: {name, opts}

  setup_all do
    scenario = Scenario.start!("diagnose", replicas: 2)

    Kubectl.apply!(scenario.namespace, for({name, opts} <- @broken, do: App.pod(:pods, name, opts)))
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

  # In one line. What fails first is the first line.
  defp diagnosis(scenario, pod), do: scenario |> Said.diagnosis(pod) |> String.split() |> Enum.join(" ")
end
