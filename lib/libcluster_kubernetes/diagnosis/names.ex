defmodule LibclusterKubernetes.Diagnosis.Names do
  @moduledoc false
  # The names that the objects give, and whether this node's is among them.

  alias LibclusterKubernetes.Diagnosis.{Check, Surroundings}
  alias LibclusterKubernetes.{Native, Options}

  @terminating "A pod that terminates keeps the connections it has, until it ends, and makes no new ones; nor do the others to it."

  @spec checks(Options.t(), Native.snapshot(), Surroundings.t()) :: [Check.t()]
  def checks(options, snapshot, surroundings) do
    [names(snapshot, surroundings), itself(options, snapshot, surroundings)]
  end

  defp names(snapshot, surroundings) do
    others = List.delete(snapshot.ready, surroundings.node)

    counts =
      "#{length(snapshot.ready)} ready, #{length(snapshot.not_ready)} not ready, #{length(snapshot.draining)} draining"

    problems = Enum.map(snapshot.dropped, &dropped/1) ++ snapshot.warnings
    found = Enum.join([counts | problems], "; ")
    data = Map.take(snapshot, [:ready, :not_ready, :draining, :dropped])

    cond do
      nobody?(snapshot) and snapshot.dropped == [] ->
        Check.skipped(:names, "the answer names nobody")

      nobody?(snapshot) ->
        Check.failed(:names, "what is found gives no name: #{found}", dropped_remedy(snapshot), data)

      snapshot.ready == [] and snapshot.not_ready != [] ->
        Check.failed(
          :names,
          "#{found}: nobody to connect to",
          "Pods become ready when their readinessProbe succeeds. If that needs the cluster, set kubernetes_include_not_ready: " <>
            "true. A Service with publishNotReadyAddresses: true counts all as ready, and gives DNS names before that.",
          data
        )

      problems != [] ->
        Check.warning(:names, found, dropped_remedy(snapshot), data)

      others == [] ->
        Check.warning(:names, "#{found}: nobody but this node", "With one replica that is right.", data)

      true ->
        Check.ok(:names, found, data)
    end
  end

  defp dropped(%{reason: reason, count: count, example: example}),
    do: "#{count} dropped: #{reason} (for example: #{example})"

  defp dropped_remedy(%{dropped: []}), do: nil

  defp dropped_remedy(_snapshot) do
    "A name needs all that kubernetes_node_basename and mode build it from; mode: :ip needs addresses only."
  end

  defp itself(options, snapshot, surroundings) do
    node = surroundings.node
    standing = Enum.find([:ready, :not_ready, :draining], &(node in Map.fetch!(snapshot, &1)))

    cond do
      standing == :ready ->
        Check.ok(:itself, "#{node} is in the answer, ready", %{standing: standing})

      standing == :not_ready ->
        found = "#{node} is in the answer, but not ready"

        Check.warning(:itself, found, "Until it is ready, the others make no new connection to it.", %{
          standing: standing
        })

      standing == :draining ->
        Check.warning(:itself, "this pod terminates, by the answer", @terminating, %{standing: standing})

      not Surroundings.named?(surroundings) ->
        Check.skipped(:itself, "this node has no long name to look for")

      nobody?(snapshot) ->
        Check.skipped(:itself, "the answer names nobody")

      # It was: endpoints do not name pods that terminate.
      Surroundings.standing(surroundings) == :absent ->
        found = "#{node} was in the answers and no longer is: this pod terminates, or has lost its labels"
        Check.warning(:itself, found, @terminating, %{standing: :absent})

      true ->
        Check.failed(
          :itself,
          "#{node} is not in the answer, so that the others do not connect to it",
          "Does kubernetes_selector (#{inspect(options.values.kubernetes_selector)}) match this node's own pod, or its " <>
            "Service? Is the host part of its name that pod's own?",
          %{standing: :absent}
        )
    end
  end

  defp nobody?(snapshot), do: snapshot.ready == [] and snapshot.not_ready == [] and snapshot.draining == []
end
