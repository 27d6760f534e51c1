defmodule LibclusterKubernetes.Cluster.TokensTest do
  # The shortest life that the API gives a token is 600 s, and the kubelet renews it when four fifths have passed.
  use LibclusterKubernetes.Test.Cluster.Case, async: true

  @moduletag :long

  @life 600

  test "tokens that end twice while the pods run" do
    volume = %{
      name: "account",
      projected: %{
        sources: [
          %{serviceAccountToken: %{path: "token", expirationSeconds: @life}},
          %{configMap: %{name: "kube-root-ca.crt", items: [%{key: "ca.crt", path: "ca.crt"}]}},
          %{downwardAPI: %{items: [%{path: "namespace", fieldRef: %{fieldPath: "metadata.namespace"}}]}}
        ]
      }
    }

    mount = %{name: "account", mountPath: "/var/run/secrets/kubernetes.io/serviceaccount", readOnly: true}

    scenario =
      Scenario.start!("tokens",
        replicas: 3,
        container: %{volumeMounts: [mount]},
        spec: %{automountServiceAccountToken: false, volumes: [volume]}
      )

    scenario
    |> Scenario.step("two lives of a token", [hold: 2 * @life + 60], fn -> :ok end)
    |> Scenario.step("and then a fourth pod", [pods: 4], fn -> Scenario.scale(scenario, 4) end)
  end
end
