defmodule LibclusterKubernetes.Manifests.Workload do
  @moduledoc false
  # The Deployment or, for names that outlive their pods, StatefulSet; and how many of its pods may be evicted at a time.

  alias LibclusterKubernetes.Manifests.{Labels, Metadata, Pods, Yaml}
  alias LibclusterKubernetes.Options

  @spec kind(Options.t()) :: String.t()
  def kind(%{values: %{mode: :hostname}}), do: "StatefulSet"
  def kind(_topology), do: "Deployment"

  @doc "Why a new pod is to be ready for some seconds before the rollout goes on."
  @spec why_min_ready() :: String.t()
  def why_min_ready, do: "old nodes meet a new one before the next of them begins to drain"

  @doc "What there is where there is an image."
  @spec objects(Options.t(), Pods.t()) :: [Yaml.value()]
  def objects(_topology, %{image: nil}), do: []
  def objects(topology, pods), do: [workload(topology, pods), disruption_budget(pods)]

  defp workload(topology, pods) do
    kind = kind(topology)

    [
      {"apiVersion", "apps/v1"},
      {"kind", kind},
      {"metadata", metadata(pods)},
      {"spec",
       [
         {"replicas", 3, "one may fail while another is being replaced"},
         {"minReadySeconds", 5, why_min_ready()}
       ] ++
         specific(kind, topology, pods) ++
         [
           {"selector", [{"matchLabels", Enum.sort(pods.selected)}]},
           {"template", Pods.template(topology, pods)}
         ]}
    ]
  end

  defp specific("Deployment", _topology, _pods) do
    [
      {"strategy", [{"type", "RollingUpdate"}, {"rollingUpdate", [{"maxSurge", 1}, {"maxUnavailable", 0}]}],
       "a new node is there before an old one goes"}
    ]
  end

  # Else each pod is started when the one before it is ready, which it would never be.
  defp specific("StatefulSet", topology, pods) do
    [{"serviceName", Labels.service_name(topology, pods.app, pods.given)}] ++
      if topology.values.kubernetes_include_not_ready,
        do: [{"podManagementPolicy", "Parallel", "pods that are not ready are connected to: none waits for another"}],
        else: []
  end

  defp disruption_budget(pods) do
    [
      {"apiVersion", "policy/v1"},
      {"kind", "PodDisruptionBudget"},
      {"metadata", metadata(pods)},
      {"spec",
       [
         {"maxUnavailable", 1, "machines are drained one pod at a time, so that its processes find another node"},
         {"unhealthyPodEvictionPolicy", "AlwaysAllow",
          "a pod that never gets ready holds up no drain (Kubernetes 1.27 and later)"},
         {"selector", [{"matchLabels", Enum.sort(pods.selected)}]}
       ]}
    ]
  end

  defp metadata(pods), do: Metadata.new(pods.app, pods.namespace, pods.object_labels)
end
