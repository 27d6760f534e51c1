defmodule LibclusterKubernetes.Diagnosis.Expected do
  @moduledoc false
  # The name that the options build for a pod, as far as it is the same for all, and how a release gets it.

  alias LibclusterKubernetes.{Native, Options}

  @pod_ip "  # POD_IP: in env:, by fieldPath: status.podIP"

  @spec name(Options.t(), Native.facts()) :: String.t()
  def name(%{values: %{mode: mode}} = options, facts) do
    case mode do
      :ip -> "#{basename(options)}@POD_IP"
      :dns -> "#{basename(options)}@POD-IP-WITH-DASHES.#{domain(options, facts)}"
      :hostname -> "#{basename(options)}@HOSTNAME.#{domain(options, facts)}"
    end
  end

  @doc "The lines of a shell that name a node so."
  @spec shell(Options.t(), Native.facts()) :: [String.t()]
  def shell(%{values: %{mode: mode}} = options, facts) do
    case mode do
      :ip ->
        [@pod_ip, "  export RELEASE_NODE=#{basename(options)}@$POD_IP"]

      :dns ->
        [
          @pod_ip,
          "  POD_DASHES=$(echo $POD_IP | tr .: -)",
          "  export RELEASE_NODE=#{basename(options)}@$POD_DASHES.#{domain(options, facts)}"
        ]

      :hostname ->
        ["  export RELEASE_NODE=#{basename(options)}@$(hostname).#{domain(options, facts)}"]
    end
  end

  defp domain(%{values: values, domain: domain}, facts) do
    namespace = namespace(facts) || "NAMESPACE"

    if values.mode == :dns,
      do: "#{namespace}.pod.#{domain}",
      else: "#{values.kubernetes_service_name}.#{namespace}.svc.#{domain}"
  end

  defp basename(%{values: %{kubernetes_node_basename: {:label, _key}}}), do: "BASENAME"
  defp basename(%{values: %{kubernetes_node_basename: basename}}), do: basename

  @doc "The namespace that is looked in, if that is one and known."
  @spec namespace(Native.facts()) :: String.t() | nil
  def namespace(%{namespace: {:ok, namespace}}) when namespace != :all, do: namespace
  def namespace(_facts), do: nil

  @doc "A kubectl that is to be typed."
  @spec kubectl(Native.facts()) :: String.t()
  def kubectl(%{namespace: {:ok, :all}}), do: "kubectl --all-namespaces"
  def kubectl(facts), do: "kubectl -n #{namespace(facts) || "NAMESPACE"}"
end
