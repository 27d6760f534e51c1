defmodule LibclusterKubernetes.Manifests.Services do
  @moduledoc false
  # Headless Services, where they are needed: Endpoints and EndpointSlices have the labels of their Service, and
  # `mode: :hostname` the DNS names that one gives.

  alias LibclusterKubernetes.Manifests.{Labels, Metadata, Pods, Yaml}
  alias LibclusterKubernetes.Options

  @spec objects([Options.t()], Pods.t()) :: [Yaml.value()]
  def objects(topologies, pods) do
    topologies
    |> Enum.filter(&(&1.values.kubernetes_ip_lookup_mode != :pods or &1.values.mode == :hostname))
    |> Enum.group_by(&Labels.service_name(&1, pods.app, pods.given))
    |> Enum.sort()
    |> Enum.map(fn {name, topologies} -> service(name, topologies, pods) end)
  end

  # The protocol is the default, but old servers want it with server-side apply.
  defp service(name, topologies, pods) do
    labels = Map.merge(pods.object_labels, Labels.of_service(topologies, pods.selected))
    hostname? = Enum.any?(topologies, &(&1.values.mode == :hostname))

    [
      {"apiVersion", "v1"},
      {"kind", "Service"},
      {"metadata", Metadata.new(name, pods.namespace, labels)},
      {"spec",
       [{"clusterIP", "None"}] ++
         if(hostname?, do: [{"publishNotReadyAddresses", true, "a DNS record for each pod from its start"}], else: []) ++
         [
           {"selector", Enum.sort(pods.selected)},
           {"ports", for({name, port} <- Pods.ports(pods), do: [{"name", name}, {"port", port}, {"protocol", "TCP"}])}
         ]}
    ]
  end
end
