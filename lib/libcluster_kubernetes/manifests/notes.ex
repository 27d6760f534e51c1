defmodule LibclusterKubernetes.Manifests.Notes do
  @moduledoc false
  # What follows the objects, as comments: what the application's own workload needs where none is made, what the release
  # needs, and what to know.

  alias LibclusterKubernetes.Manifests.{Labels, Pods, Release, Workload, Yaml}
  alias LibclusterKubernetes.Options

  # As long as the other lines.
  @columns 100

  @doc "`described` is the topology by which the nodes are named, `own` are those that look for these pods."
  @spec text(Options.t(), [Options.t()], Pods.t()) :: String.t()
  def text(described, own, pods) do
    lines =
      template(described, pods) ++
        release(described, pods) ++
        (described |> remarks(own, pods) |> Enum.filter(& &1) |> Enum.flat_map(&wrap/1)) ++ supervisor()

    Enum.map_join(lines, &(String.trim_trailing("# #{&1}") <> "\n"))
  end

  defp template(topology, %{image: nil} = pods) do
    kind = Workload.kind(topology)
    template = topology |> Pods.template(pods) |> Yaml.document() |> String.split("\n", trim: true)

    ["What the template of #{pods.app}'s #{kind} needs (a whole one is printed with --image IMAGE):", ""] ++
      template ++ ["", "And minReadySeconds: 5 beside it: #{Workload.why_min_ready()}.", ""]
  end

  defp template(_topology, _pods), do: []

  defp release(topology, pods) do
    if Release.needed?(topology, pods) do
      lines = topology |> Release.text(pods) |> String.split("\n") |> Enum.map(&"    #{&1}")
      ["What the release needs, in files that mix release.init makes (--release prints this alone):", "" | lines]
    else
      []
    end
  end

  defp remarks(described, own, pods) do
    [ipv6(described, pods), port(pods), cookie(pods), rollout(described, pods)] ++
      Enum.map(own, &slices/1) ++
      Enum.map(own, &grace_period(&1, pods)) ++
      Enum.map(own, &fields/1) ++ Enum.map(Labels.choices(own, pods.given), &choice(&1, pods))
  end

  defp ipv6(topology, pods) do
    if topology.values.mode == :ip and not Release.needed?(topology, pods),
      do: "On an IPv6 cluster rel/env.sh.eex needs what --release prints."
  end

  defp port(%{dist_port: nil}) do
    "Beside epmd's port each node listens on one that differs at each start. --dist-port is for a fixed one."
  end

  defp port(%{dist_port: port}) do
    "The release must listen on port #{port}, by the lines above, or no pod gets ready. Nodes without epmd and nodes with it " <>
      "do not find each other: the update that changes it is two clusters for its time."
  end

  defp cookie(%{cookie_secret: nil}) do
    "Nodes need one cookie, and each build of a release may have another: --cookie-secret takes it from a Secret."
  end

  defp cookie(_pods), do: nil

  defp rollout(%{values: %{kubernetes_rollout_label: key}}, pods) do
    if key && not Labels.set_by_kubernetes?(key) && not is_map_key(pods.labels, key) do
      "kubernetes_rollout_label: the pods need the label #{key}, with another value for each version. --label sets it."
    end
  end

  defp slices(%{topology: topology, values: %{kubernetes_ip_lookup_mode: :endpoints}}) do
    "#{inspect(topology)} looks up Endpoints, which are deprecated since Kubernetes 1.33. With kubernetes_ip_lookup_mode: " <>
      ":endpoint_slices nodes that terminate are seen, and keep their links, and more than 1,000 pods are found."
  end

  defp slices(_topology), do: nil

  # What is terminating is not in Endpoints.
  defp grace_period(%{values: %{kubernetes_ip_lookup_mode: :endpoints, kubernetes_disconnect_after: limit}}, pods) do
    if pods.image != nil and is_integer(limit) and limit < Pods.grace_period() * 1_000 do
      "kubernetes_disconnect_after is #{limit} ms, less than terminationGracePeriodSeconds: a node that works longer than that " <>
        "while it terminates loses its links."
    end
  end

  defp grace_period(_topology, _pods), do: nil

  # An option that is newer than this.
  defp fields(%{topology: topology, values: values}) do
    if selector = values[:kubernetes_field_selector] do
      "#{inspect(topology)} finds only what kubernetes_field_selector #{inspect(selector)} selects: compare it with the above."
    end
  end

  defp choice({key, values}, pods) do
    accepted = if values == [], do: "any value", else: Enum.join(values, ", ")

    "kubernetes_selector takes #{accepted} for the label #{key}: here it is #{pods.selected[key]}. --label chooses another."
  end

  defp supervisor do
    [
      "",
      "Nothing connects without this among the children of the application:",
      "    {Cluster.Supervisor, [Application.get_env(:libcluster, :topologies, [])]}"
    ]
  end

  # What goes on is indented, so that each remark is seen to begin.
  defp wrap(text) do
    {lines, last} =
      text
      |> String.split(" ")
      |> Enum.reduce({[], "-"}, fn word, {lines, line} ->
        if String.length(line) + String.length(word) < @columns - 2,
          do: {lines, "#{line} #{word}"},
          else: {[line | lines], "  #{word}"}
      end)

    Enum.reverse([last | lines])
  end
end
