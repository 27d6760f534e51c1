defmodule LibclusterKubernetes.Manifests.Pods do
  @moduledoc false
  # What the pods of an application need: labels, service account, environment and ports.

  alias LibclusterKubernetes.Manifests.{Metadata, Yaml}
  alias LibclusterKubernetes.Options

  @type t :: %{
          app: String.t(),
          namespace: String.t() | nil,
          labels: %{String.t() => String.t()},
          image: String.t() | nil,
          dist_port: :inet.port_number() | nil,
          cookie_secret: String.t() | nil
        }

  @epmd_port 4369

  @doc "The workload, where there is an image for it."
  @spec objects(Options.t(), String.t(), t()) :: [Yaml.value()]
  def objects(_topology, _service, %{image: nil}), do: []

  def objects(topology, service, pods) do
    %{values: values} = topology
    hostname? = values.mode == :hostname
    # Else each pod is started when the one before it is ready, which it would never be.
    parallel? = hostname? and values.kubernetes_include_not_ready

    [
      [
        {"apiVersion", "apps/v1"},
        {"kind", if(hostname?, do: "StatefulSet", else: "Deployment")},
        {"metadata", Metadata.new(pods.app, pods.namespace)},
        {"spec",
         if(hostname?, do: [{"serviceName", service}], else: []) ++
           if(parallel?, do: [{"podManagementPolicy", "Parallel"}], else: []) ++
           [
             {"replicas", 2},
             {"selector", [{"matchLabels", Enum.sort(pods.labels)}]},
             {"template", template(topology, pods)}
           ]}
      ]
    ]
  end

  @doc "The same as a comment, where there is none."
  @spec comment(Options.t(), String.t(), t()) :: String.t()
  def comment(topology, app, pods) do
    lines =
      notes(topology, pods) ++
        if pods.image == nil do
          kind = if topology.values.mode == :hostname, do: "StatefulSet", else: "Deployment"
          template = topology |> template(pods) |> Yaml.document() |> String.split("\n", trim: true)
          ["What the template of #{app}'s #{kind} needs (all of it is printed with --image IMAGE):", "" | template]
        else
          []
        end

    Enum.map_join(lines, &(String.trim_trailing("# #{&1}") <> "\n"))
  end

  @doc "The ports for distribution, by name. The names tell a service mesh that this is no HTTP."
  @spec ports(t()) :: [{String.t(), :inet.port_number()}]
  def ports(%{dist_port: nil}), do: [{"tcp-epmd", @epmd_port}]
  def ports(%{dist_port: port}), do: [{"tcp-dist", port}]

  defp template(topology, pods) do
    image = if pods.image, do: [{"image", pods.image}], else: []
    ports = for {name, port} <- ports(pods), do: [{"name", name}, {"containerPort", port}, {"protocol", "TCP"}]

    [
      {"metadata", [{"labels", Enum.sort(pods.labels)}]},
      {"spec",
       [
         {"serviceAccountName", pods.app},
         {"containers", [[{"name", pods.app}] ++ image ++ [{"env", env(topology, pods)}, {"ports", ports}]]}
       ]}
    ]
  end

  # Kubernetes puts a variable's value into those after it: $(POD_IP).
  # https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/
  defp env(%{values: values, domain: domain} = topology, pods) do
    node =
      case values do
        %{mode: :hostname} -> "$(POD_NAME).#{values.kubernetes_service_name}.$(NAMESPACE).svc.#{domain}"
        %{mode: :ip, kubernetes_ip_family: :primary} -> "$(POD_IP)"
        _built_by_env_sh -> nil
      end

    Enum.map(fields(topology), &field/1) ++
      if(domain == "cluster.local", do: [], else: [variable("CLUSTER_DOMAIN", domain)]) ++
      [variable("RELEASE_DISTRIBUTION", "name")] ++
      if(node, do: [variable("RELEASE_NODE", "#{values.kubernetes_node_basename}@#{node}")], else: []) ++
      cookie(pods.cookie_secret)
  end

  defp fields(%{values: %{mode: :hostname}}), do: [{"POD_NAME", "metadata.name"}, {"NAMESPACE", "metadata.namespace"}]
  defp fields(%{values: %{mode: :dns} = values}), do: [address(values), {"NAMESPACE", "metadata.namespace"}]
  defp fields(%{values: values}), do: [address(values)]

  defp address(%{kubernetes_ip_family: :primary}), do: {"POD_IP", "status.podIP"}
  defp address(_values), do: {"POD_IPS", "status.podIPs"}

  defp field({name, path}), do: [{"name", name}, {"valueFrom", [{"fieldRef", [{"fieldPath", path}]}]}]

  defp variable(name, value), do: [{"name", name}, {"value", value}]

  defp cookie(nil), do: []

  defp cookie(secret) do
    [[{"name", "RELEASE_COOKIE"}, {"valueFrom", [{"secretKeyRef", [{"name", secret}, {"key", "cookie"}]}]}]]
  end

  defp notes(%{values: values}, pods) do
    [
      values.mode == :dns && "mode: :dns has dashes for the address's dots: rel/env.sh.eex must set RELEASE_NODE.",
      values.kubernetes_ip_family != :primary && values.mode != :hostname &&
        "kubernetes_ip_family chooses one of POD_IPS: rel/env.sh.eex must set RELEASE_NODE from it.",
      pods.dist_port == nil &&
        "Beside epmd's port each node listens on one that differs at each start. --dist-port is for a fixed one."
    ]
    |> Enum.filter(& &1)
  end
end
