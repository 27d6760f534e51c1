defmodule LibclusterKubernetes.Manifests.Selector do
  @moduledoc false
  # Labels that a label selector matches.
  # https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors

  alias LibclusterKubernetes.Options

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

  @doc "The labels that an object needs for the topology's selector, but for those that Kubernetes sets."
  @spec labels!(Options.t()) :: %{String.t() => String.t()}
  def labels!(topology) do
    selector = topology.values.kubernetes_selector

    for requirement <- requirements(selector), {key, value} <- wanted!(requirement, selector), into: %{} do
      {key, value}
    end
    |> Map.drop(@set_by_kubernetes)
  end

  @doc "The Service whose EndpointSlices are selected by its name, if that is how."
  @spec service_name(String.t()) :: String.t() | nil
  def service_name(selector) do
    selector |> requirements() |> Enum.flat_map(&wanted!(&1, selector)) |> Map.new() |> Map.get(@service_name)
  end

  # Commas part requirements, but not the values in parentheses.
  defp requirements(selector) do
    ~r/,(?![^(]*\))/ |> Regex.split(selector) |> Enum.map(&String.trim/1) |> Enum.reject(&(&1 == ""))
  end

  defp wanted!(requirement, selector) do
    key = "([A-Za-z0-9./_-]+)"
    values = "\\(\\s*([^\\s,()]*)[^()]*\\)"

    cond do
      found = match(requirement, "#{key}\\s*==?\\s*([^\\s=!<>,()]*)") -> [found]
      found = match(requirement, "#{key}\\s+in\\s*#{values}") -> [found]
      found = match(requirement, "#{key}()") -> [put_elem(found, 1, "true")]
      match(requirement, "#{key}\\s*!=\\s*([^\\s=!<>,()]*)") -> []
      match(requirement, "#{key}\\s+notin\\s*#{values}") -> []
      match(requirement, "!\\s*#{key}()") -> []
      true -> refuse!(requirement, selector)
    end
  end

  defp match(requirement, pattern) do
    with [_, key, value] <- Regex.run(Regex.compile!("\\A#{pattern}\\z"), requirement), do: {key, value}
  end

  @spec refuse!(String.t(), String.t()) :: no_return()
  defp refuse!(requirement, selector) do
    raise ArgumentError,
          "kubernetes_selector is #{inspect(selector)}, and no labels can be made for #{inspect(requirement)}: " <>
            "accepted are key=value, key in (a, b), key, and their opposites"
  end
end
