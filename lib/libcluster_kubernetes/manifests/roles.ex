defmodule LibclusterKubernetes.Manifests.Roles do
  @moduledoc false
  # What the pods' account may ask: the verbs that are used, where they are used, and nothing else.

  alias LibclusterKubernetes.Manifests.{Metadata, Pods, Yaml}
  alias LibclusterKubernetes.Options
  alias LibclusterKubernetes.Options.Source

  @rbac "rbac.authorization.k8s.io"

  @doc "A role and its binding for each namespace that is looked in; for all of them, a ClusterRole."
  @spec objects([Options.t()], Pods.t()) :: [Yaml.value()]
  def objects(topologies, pods) do
    topologies
    |> Enum.group_by(&(&1.values.kubernetes_namespace || pods.namespace))
    |> Enum.sort()
    |> Enum.flat_map(fn {looked_in, topologies} -> role_and_binding(looked_in, topologies, pods) end)
  end

  defp role_and_binding(:all, topologies, %{namespace: nil}) do
    raise ArgumentError,
          "topology #{inspect(hd(topologies).topology)} looks in all namespaces, and a ClusterRoleBinding names that of the " <>
            "account: say by --namespace in which of them the pods run"
  end

  # Its name is one for the whole cluster, where another namespace may run the same application.
  defp role_and_binding(:all, topologies, pods) do
    metadata = Metadata.new("#{pods.namespace}-#{pods.app}-libcluster", nil, pods.object_labels)
    pair("ClusterRole", metadata, topologies, account(pods) ++ [{"namespace", pods.namespace}])
  end

  # In a binding's own namespace the account needs none.
  defp role_and_binding(looked_in, topologies, pods) do
    foreign = if looked_in == pods.namespace, do: [], else: [{"namespace", pods.namespace}]
    metadata = Metadata.new("#{pods.app}-libcluster", looked_in, pods.object_labels)
    pair("Role", metadata, topologies, account(pods) ++ foreign)
  end

  defp pair(kind, [{"name", name} | _] = metadata, topologies, account) do
    [
      [{"apiVersion", "#{@rbac}/v1"}, {"kind", kind}, {"metadata", metadata}, {"rules", rules(topologies)}],
      [
        {"apiVersion", "#{@rbac}/v1"},
        {"kind", "#{kind}Binding"},
        {"metadata", metadata},
        {"roleRef", [{"apiGroup", @rbac}, {"kind", kind}, {"name", name}]},
        {"subjects", [account]}
      ]
    ]
  end

  defp account(pods), do: [{"kind", "ServiceAccount"}, {"name", pods.app}]

  defp rules(topologies) do
    topologies
    |> Enum.group_by(& &1.values.kubernetes_ip_lookup_mode, & &1.values.kubernetes_watch)
    |> Enum.sort()
    |> Enum.map(fn {source, watches} ->
      [
        {"apiGroups", [Source.group(source)]},
        {"resources", [Source.resource(source)]},
        {"verbs", if(:auto in watches, do: ["list", "watch"], else: ["list"])}
      ]
    end)
  end
end
