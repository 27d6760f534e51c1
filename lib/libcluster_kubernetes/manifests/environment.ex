defmodule LibclusterKubernetes.Manifests.Environment do
  @moduledoc false
  # The variables of a container by which the node names itself as the others look for it.

  alias LibclusterKubernetes.Manifests.Yaml
  alias LibclusterKubernetes.Options

  @spec variables(Options.t(), pods :: struct()) :: [Yaml.value()]
  def variables(%{domain: domain} = topology, pods) do
    node = host(topology)

    Enum.map(fields(topology), &field/1) ++
      if(domain == "cluster.local", do: [], else: [variable("CLUSTER_DOMAIN", domain)]) ++
      [variable("RELEASE_DISTRIBUTION", "name")] ++
      if(node, do: [variable("RELEASE_NODE", "#{basename!(topology, pods)}@#{node}")], else: []) ++
      cookie(pods.cookie_secret)
  end

  @doc "The part of the node's name before the `@`."
  @spec basename!(Options.t(), pods :: struct()) :: String.t()
  def basename!(%{topology: topology, values: values}, pods) do
    case values.kubernetes_node_basename do
      {:label, key} ->
        pods.labels[key]

      nil ->
        raise ArgumentError,
              "topology #{inspect(topology)} has no kubernetes_node_basename here: where it comes from an environment " <>
                "variable, set that"

      basename ->
        basename
    end
  end

  # Kubernetes puts a variable's value into those after it: $(POD_IP).
  # https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/
  # What takes a shell is not here: rel/env.sh.eex sets RELEASE_NODE then.
  defp host(%{values: %{mode: :hostname} = values, domain: domain}) do
    "$(POD_NAME).#{values.kubernetes_service_name}.$(NAMESPACE).svc.#{domain}"
  end

  defp host(%{values: %{mode: :ip, kubernetes_ip_family: :primary}}), do: "$(POD_IP)"
  defp host(_topology), do: nil

  defp fields(%{values: %{mode: :hostname}}), do: [{"POD_NAME", "metadata.name"}, {"NAMESPACE", "metadata.namespace"}]
  defp fields(%{values: %{mode: :dns} = values}), do: [address(values), {"NAMESPACE", "metadata.namespace"}]
  defp fields(%{values: values}), do: [address(values)]

  defp address(%{kubernetes_ip_family: :primary}), do: {"POD_IP", "status.podIP"}
  defp address(_values), do: {"POD_IPS", "status.podIPs"}

  defp variable(name, value), do: [{"name", name}, {"value", value}]

  defp field({name, path}), do: [{"name", name}, {"valueFrom", [{"fieldRef", [{"fieldPath", path}]}]}]

  defp cookie(nil), do: []

  defp cookie(secret) do
    made = "once: kubectl create secret generic #{secret} --from-literal=cookie=\"$(openssl rand -hex 32)\""
    [[{"name", "RELEASE_COOKIE"}, {"valueFrom", [{"secretKeyRef", [{"name", secret, made}, {"key", "cookie"}]}]}]]
  end
end
