defmodule LibclusterKubernetes.Diagnosis.Answer do
  @moduledoc false
  # What the API answered: the objects, the names that they give, and whether this node's is among them.

  alias LibclusterKubernetes.Diagnosis.{Check, Role, Surroundings}
  alias LibclusterKubernetes.{Native, Options}

  # More objects than these help nobody to read.
  @shown 5

  @spec checks(Options.t(), Surroundings.t(), Native.facts()) :: [Check.t()]
  def checks(_options, _surroundings, %{snapshot: snapshot})
      when snapshot == nil or elem(snapshot, 1).kind == :forbidden do
    Enum.map([:objects, :names, :itself], &Check.skipped/1)
  end

  def checks(_options, _surroundings, %{snapshot: {:error, error}}) do
    [Check.failed(:objects, error.message, nil), Check.skipped(:names), Check.skipped(:itself)]
  end

  def checks(options, surroundings, %{snapshot: {:ok, snapshot}} = facts) do
    [objects(options, facts), names(snapshot, surroundings), itself(options, snapshot, surroundings)]
  end

  ## Objects

  # What could not be looked at again after the list.
  defp objects(options, %{matching: {:error, error}}) do
    Check.skipped(:objects, "the #{Role.resource(options)} were listed, but could not be looked at: #{error.message}")
  end

  defp objects(options, %{matching: {:ok, []}} = facts), do: unmatched(options, facts)

  defp objects(options, %{matching: {:ok, objects}}) do
    service = options.values.kubernetes_service_name
    services = for %{service: service} when service != nil <- objects, uniq: true, do: service
    found = "#{length(objects)} #{matched(options)}: #{list(objects, &counted/1)}"
    data = %{objects: objects}

    cond do
      Enum.all?(objects, &(&1.ready + &1.not_ready == 0)) ->
        Check.failed(:objects, "#{found}: no address in any of them", without_address(options), data)

      options.values.mode == :hostname and service not in services ->
        text = "#{found}, of #{services(services)}, but kubernetes_service_name is #{inspect(service)}"
        Check.failed(:objects, text, wrong_service(options, services), data)

      true ->
        Check.ok(:objects, found, data)
    end
  end

  defp matched(options) do
    "#{Role.resource(options)} match kubernetes_selector #{inspect(options.values.kubernetes_selector)}"
  end

  defp unmatched(options, %{namespace: {:ok, namespace}} = facts) do
    found =
      "no #{Role.resource(options)} in namespace #{inspect(namespace)} match kubernetes_selector " <>
        inspect(options.values.kubernetes_selector)

    case facts.others do
      {:ok, []} ->
        Check.failed(
          :objects,
          "#{found}, nor is there any other there",
          "Is #{inspect(namespace)} the application's namespace (kubernetes_namespace)? #{origin(options)}"
        )

      {:ok, others} ->
        text = "#{found}. There are: #{list(others, &labelled/1)}"
        Check.failed(:objects, text, "#{nearest(options, others)}#{origin(options)}", %{others: others})

      _unknown ->
        Check.failed(:objects, found, "Set kubernetes_selector to labels that they have. #{origin(options)}")
    end
  end

  # Where labels come from is what is most often mistaken.
  defp origin(%{values: %{kubernetes_ip_lookup_mode: :pods}}),
    do: "Pods have the labels of the Deployment's or StatefulSet's template."

  defp origin(options) do
    "#{String.capitalize(Role.resource(options))} have the labels of their Service (its metadata.labels, not its " <>
      "spec.selector), and none are made without one."
  end

  # The label whose text is nearest to the selector's.
  defp nearest(options, others) do
    selector = options.values.kubernetes_selector

    case Enum.flat_map(others, & &1.labels) do
      [] ->
        "None of them has a label: label the Service with what the selector asks for. "

      labels ->
        label = labels |> Enum.uniq() |> Enum.max_by(&String.jaro_distance(&1, selector))
        "Set kubernetes_selector to labels that they have, such as #{inspect(label)}. "
    end
  end

  defp without_address(%{values: %{kubernetes_ip_lookup_mode: :pods}}) do
    "Their pods have no IP address yet: kubectl describe pod says what they wait for."
  end

  defp without_address(_options) do
    """
    The Service's spec.selector matches no pod, or no pod has an IP address yet. Compare:
      kubectl get service -o wide
      kubectl get pods --show-labels\
    """
  end

  defp wrong_service(%{values: %{kubernetes_ip_lookup_mode: :pods}} = options, []) do
    "Pods of a StatefulSet have the subdomain of its spec.serviceName: set that to " <>
      "#{inspect(options.values.kubernetes_service_name)}, and make a headless Service of that name."
  end

  defp wrong_service(options, services) do
    nearest = Enum.max_by(services, &String.jaro_distance(&1, options.values.kubernetes_service_name), fn -> "NAME" end)

    "Set kubernetes_service_name: #{inspect(nearest)}, or make a headless Service of the name that is set, with the label " <>
      "that the selector asks for. The StatefulSet's spec.serviceName must be the same."
  end

  defp services([]), do: "no Service"
  defp services(services), do: "Service #{Enum.map_join(services, ", ", &inspect/1)}"

  defp counted(%{not_ready: 0} = object), do: "#{object.name} (#{object.ready} addresses)"
  defp counted(object), do: "#{object.name} (#{object.ready} addresses, #{object.not_ready} more not ready)"

  defp labelled(%{labels: []} = object), do: "#{object.name} (no labels)"
  defp labelled(object), do: "#{object.name} (#{object.labels |> Enum.take(@shown) |> Enum.join(", ")})"

  defp list(objects, say) do
    more = if length(objects) > @shown, do: ", and more", else: ""
    (objects |> Enum.take(@shown) |> Enum.map_join(", ", say)) <> more
  end

  ## Names

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
        Check.failed(:names, found, "What is found gives no name: #{dropped_remedy(snapshot)}", data)

      snapshot.ready == [] and snapshot.not_ready != [] ->
        Check.failed(
          :names,
          "#{found}: nobody to connect to",
          """
          Pods become ready when their readinessProbe succeeds. If that needs the cluster, set kubernetes_include_not_ready: true.
          A Service with publishNotReadyAddresses: true counts all as ready, and gives DNS names before that.\
          """,
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
    "each name needs what the mode builds it from. mode: :ip needs no more than addresses."
  end

  defp itself(options, snapshot, surroundings) do
    node = surroundings.node
    standing = Enum.find([:ready, :not_ready, :draining], &(node in Map.fetch!(snapshot, &1)))

    cond do
      standing == :ready ->
        Check.ok(:itself, "#{node} is in the answer, ready", %{standing: standing})

      standing != nil ->
        remedy = "Until it is ready, the others make no new connection to it."
        Check.warning(:itself, "#{node} is in the answer, but #{words(standing)}", remedy, %{standing: standing})

      not Surroundings.distributed?(surroundings) or not surroundings.longnames? ->
        Check.skipped(:itself, "this node has no long name to look for")

      nobody?(snapshot) ->
        Check.skipped(:itself, "the answer names nobody")

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

  defp words(:not_ready), do: "not ready"
  defp words(:draining), do: "draining"
end
