defmodule LibclusterKubernetes.Diagnosis.Objects do
  @moduledoc false
  # The objects that the selector matches: whether there are any, of the right Service, with addresses.

  alias LibclusterKubernetes.Diagnosis.{Check, Expected, Role}
  alias LibclusterKubernetes.{Native, Options}

  # More objects than these help nobody to read.
  @shown 5

  # The NIF looks at no more.
  @most 100

  @spec check(Options.t(), Native.facts()) :: Check.t()
  def check(options, facts)

  # What could not be looked at again after the list.
  def check(options, %{matching: {:error, error}}) do
    Check.skipped(:objects, "the #{Role.resource(options)} were listed, but could not be looked at: #{error.message}")
  end

  def check(options, %{matching: {:ok, []}} = facts), do: unmatched(options, facts)

  def check(options, %{matching: {:ok, objects}} = facts) do
    wanted = options.values.kubernetes_service_name
    services = for %{service: service} when service != nil <- objects, uniq: true, do: service
    found = "#{count(objects)} #{matched(options)}: #{list(objects, &counted/1)}"
    data = %{objects: objects}

    cond do
      Enum.all?(objects, &(&1.ready + &1.not_ready == 0)) ->
        Check.failed(:objects, "#{found}: no address in any of them", without_address(options, services, facts), data)

      options.values.mode == :hostname and wanted not in services ->
        text = "#{found}, of #{services(services)}, but kubernetes_service_name is #{inspect(wanted)}"
        Check.failed(:objects, text, wrong_service(options, services), data)

      true ->
        Check.ok(:objects, found, data)
    end
  end

  defp count(objects), do: if(length(objects) < @most, do: "#{length(objects)}", else: "#{@most} or more")

  defp matched(options), do: "#{Role.resource(options)} match #{selectors(options.values)}"

  defp selectors(%{kubernetes_selector: labels, kubernetes_field_selector: nil}) do
    "kubernetes_selector #{inspect(labels)}"
  end

  defp selectors(%{kubernetes_selector: labels, kubernetes_field_selector: fields}) do
    "kubernetes_selector #{inspect(labels)} and kubernetes_field_selector #{inspect(fields)}"
  end

  defp unmatched(options, %{namespace: {:ok, namespace}} = facts) do
    place = if namespace == :all, do: "any namespace", else: "namespace #{inspect(namespace)}"
    found = "no #{Role.resource(options)} in #{place} match #{selectors(options.values)}"

    case facts.others do
      {:ok, []} when namespace == :all ->
        Check.failed(:objects, "#{found}, nor is there any other", origin(options))

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

  defp without_address(%{values: %{kubernetes_ip_lookup_mode: :pods}}, _services, facts) do
    "Their pods have no IP address yet: #{Expected.kubectl(facts)} describe pod says what they wait for."
  end

  # What is matched is not what is wrong.
  defp without_address(options, services, facts) do
    """
    kubernetes_selector #{inspect(options.values.kubernetes_selector)} is right, but the spec.selector of #{services(services)} \
    matches no pod, or no pod of it has an IP address yet. Compare:
      #{Expected.kubectl(facts)} get service -o wide
      #{Expected.kubectl(facts)} get pods --show-labels\
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

  defp counted(%{not_ready: 0} = object), do: "#{object.name} (addresses: #{object.ready})"
  defp counted(object), do: "#{object.name} (addresses: #{object.ready}, not ready: #{object.not_ready})"

  defp labelled(%{labels: []} = object), do: "#{object.name} (no labels)"
  defp labelled(object), do: "#{object.name} (#{object.labels |> Enum.take(@shown) |> Enum.join(", ")})"

  defp list(objects, say) do
    more = if length(objects) > @shown, do: ", and more", else: ""
    (objects |> Enum.take(@shown) |> Enum.map_join(", ", say)) <> more
  end
end
