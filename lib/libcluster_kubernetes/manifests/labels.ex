defmodule LibclusterKubernetes.Manifests.Labels do
  @moduledoc false
  # The labels of the pods and of their Services: what the topologies' selectors ask for, what was given, and what Kubernetes
  # recommends: https://kubernetes.io/docs/concepts/overview/working-with-objects/common-labels/

  alias LibclusterKubernetes.Manifests.Selector
  alias LibclusterKubernetes.Options

  @type t :: %{String.t() => String.t()}

  @name "app.kubernetes.io/name"
  @version "app.kubernetes.io/version"
  @service_name "kubernetes.io/service-name"

  # Kubernetes sets these itself, on Endpoints, EndpointSlices and pods.
  @set_by_kubernetes [
    @service_name,
    "endpointslice.kubernetes.io/managed-by",
    "service.kubernetes.io/headless",
    "statefulset.kubernetes.io/pod-name",
    "controller-revision-hash",
    "pod-template-hash"
  ]

  @doc "Whether Kubernetes gives pods this label."
  @spec set_by_kubernetes?(String.t()) :: boolean()
  def set_by_kubernetes?(key), do: key in @set_by_kubernetes

  @doc """
  The labels that all these selectors ask for, but for those that Kubernetes sets; where they ask for none, one by which the
  pods can be found all the same.
  """
  @spec selected!([Options.t()], String.t(), given :: t()) :: t()
  def selected!(topologies, app, given) do
    requirements = Enum.flat_map(topologies, &Selector.requirements!/1)
    asked_for = for key <- keys(requirements), into: %{}, do: {key, value!(key, requirements, [app], given)}
    if asked_for == %{}, do: %{@name => given[@name] || app}, else: asked_for
  end

  @doc "All labels of the pods. Raises where a selector would not find them."
  @spec complete!([Options.t()], String.t(), image :: String.t() | nil, selected :: t(), given :: t()) :: t()
  def complete!(topologies, app, image, selected, given) do
    labels = app |> recommended(image) |> Map.merge(given) |> Map.merge(selected)
    labels = Enum.reduce(topologies, labels, &basename(&1.values.kubernetes_node_basename, &2, app))

    for topology <- topologies, {key, _, _} = requirement <- Selector.requirements!(topology) do
      if not set_by_kubernetes?(key) and not Selector.matches?(requirement, labels), do: refuse!(topology, key, labels)
    end

    labels
  end

  @doc "What is worth a label on every object."
  @spec of_objects(t()) :: t()
  def of_objects(labels), do: Map.take(labels, [@name])

  @doc "Those that these topologies' selectors ask for, with the values that were chosen for the pods."
  @spec of_service([Options.t()], selected :: t()) :: t()
  def of_service(topologies, selected) do
    taken = Map.take(selected, topologies |> Enum.flat_map(&Selector.requirements!/1) |> keys())
    if taken == %{}, do: selected, else: taken
  end

  @doc "The headless Service of a topology's pods."
  @spec service_name(Options.t(), String.t(), given :: t()) :: String.t()
  def service_name(topology, app, given) do
    requirements = for {@service_name, :in, _} = requirement <- Selector.requirements!(topology), do: requirement
    # The application may have a Service of its name already, which is not headless.
    headless = "#{app}-headless"

    topology.values.kubernetes_service_name ||
      if(requirements == [], do: headless, else: value!(@service_name, requirements, [headless, app], given))
  end

  @doc "The keys for which the selectors leave a choice, with the values that they take; `[]` is any."
  @spec choices([Options.t()], given :: t()) :: [{String.t(), [String.t()]}]
  def choices(topologies, given) do
    requirements = Enum.flat_map(topologies, &Selector.requirements!/1)

    for key <- keys(requirements),
        not is_map_key(given, key),
        values = accepted(key, requirements),
        length(values) != 1 do
      {key, values}
    end
  end

  defp keys(requirements) do
    for {key, operator, _} <- requirements, operator in [:in, :exists], not set_by_kubernetes?(key), uniq: true, do: key
  end

  # The values that are named for a key, and that no other requirement excludes.
  defp accepted(key, requirements) do
    of_key = Enum.filter(requirements, &match?({^key, _, _}, &1))
    named = for {_, :in, values} <- of_key, value <- values, uniq: true, do: value
    Enum.filter(named, fn value -> Enum.all?(of_key, &Selector.matches?(&1, %{key => value})) end)
  end

  defp value!(key, requirements, preferred, given) do
    named? = Enum.any?(requirements, &match?({^key, :in, _}, &1))

    case {given[key], accepted(key, requirements)} do
      {nil, [value]} -> value
      {nil, []} when not named? -> "true"
      {nil, []} -> refuse_contradiction!(key, requirements)
      {nil, values} -> Enum.find(preferred, &(&1 in values)) || refuse_choice!(key, values)
      {value, _values} -> value
    end
  end

  defp recommended(app, image) do
    version = image && version(image)
    if version, do: %{@name => app, @version => version}, else: %{@name => app}
  end

  # Its tag, where that can be the value of a label. A digest has a colon.
  defp version(image) do
    with [_, tag] <- Regex.run(~r/:([A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)\z/, image),
         false <- image =~ "@",
         do: tag,
         else: (_ -> nil)
  end

  # Nodes that are called after a label of their pod need one.
  defp basename({:label, key}, labels, app), do: Map.put_new(labels, key, app)
  defp basename(_basename, labels, _app), do: labels

  @spec refuse_contradiction!(String.t(), [Selector.requirement()]) :: no_return()
  defp refuse_contradiction!(key, requirements) do
    asked = for {^key, operator, values} <- requirements, do: Enum.join([operator | values], " ")

    raise ArgumentError,
          "no pod can have a label #{key} that is #{Enum.join(asked, " and ")}: either one kubernetes_selector contradicts " <>
            "itself, or the topologies select different pods. Choose one of them by --topology"
  end

  @spec refuse_choice!(String.t(), [String.t()]) :: no_return()
  defp refuse_choice!(key, values) do
    raise ArgumentError,
          "kubernetes_selector takes #{Enum.join(values, ", ")} for the label #{key}, and a pod has one of them: " <>
            "choose it by --label #{key}=#{hd(values)}"
  end

  @spec refuse!(Options.t(), String.t(), t()) :: no_return()
  defp refuse!(topology, key, labels) do
    label = if labels[key], do: "#{key}=#{labels[key]}", else: "no label #{key}"

    raise ArgumentError,
          "kubernetes_selector of topology #{inspect(topology.topology)} is " <>
            "#{inspect(topology.values.kubernetes_selector)}, which would not find these pods: they have #{label}. " <>
            "--label KEY=VALUE sets a label"
  end
end
