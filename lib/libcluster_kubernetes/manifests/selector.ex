defmodule LibclusterKubernetes.Manifests.Selector do
  @moduledoc false
  # Reads a label selector as the API server does, but for `>` and `<`.
  # https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors

  alias LibclusterKubernetes.Options

  @type requirement :: {key :: String.t(), :in | :notin, [String.t(), ...]} | {key :: String.t(), :exists | :absent, []}

  @spec requirements!(Options.t()) :: [requirement()]
  def requirements!(%{topology: topology, values: %{kubernetes_selector: nil}}) do
    raise ArgumentError,
          "topology #{inspect(topology)} has no kubernetes_selector here: where it comes from an environment variable, set that"
  end

  # Commas part requirements, but not the values in parentheses.
  def requirements!(%{values: %{kubernetes_selector: selector}}) do
    for part <- Regex.split(~r/,(?![^(]*\))/, selector), part = String.trim(part), part != "" do
      requirement!(part, selector)
    end
  end

  @doc "Whether an object with these labels is what the requirement asks for."
  @spec matches?(requirement(), %{String.t() => String.t()}) :: boolean()
  def matches?({key, :in, values}, labels), do: labels[key] in values
  def matches?({key, :notin, values}, labels), do: labels[key] not in values
  def matches?({key, :exists, []}, labels), do: is_map_key(labels, key)
  def matches?({key, :absent, []}, labels), do: not is_map_key(labels, key)

  defp requirement!(part, selector) do
    value = "([^\\s=!<>,()]*)"
    values = "\\(([^()]*)\\)"

    cond do
      found = match(part, "KEY\\s*==?\\s*#{value}") -> one(found, :in)
      found = match(part, "KEY\\s*!=\\s*#{value}") -> one(found, :notin)
      found = match(part, "KEY\\s+in\\s*#{values}") -> several(found, :in)
      found = match(part, "KEY\\s+notin\\s*#{values}") -> several(found, :notin)
      found = match(part, "KEY") -> {hd(found), :exists, []}
      found = match(part, "!\\s*KEY") -> {hd(found), :absent, []}
      true -> refuse!(part, selector)
    end
  end

  defp match(part, pattern) do
    pattern = String.replace(pattern, "KEY", "([A-Za-z0-9._/-]+)")
    with [_ | found] <- Regex.run(Regex.compile!("\\A#{pattern}\\z"), part), do: found
  end

  defp one([key, value], operator), do: {key, operator, [value]}

  defp several([key, values], operator), do: {key, operator, values |> String.split(",") |> Enum.map(&String.trim/1)}

  @spec refuse!(String.t(), String.t()) :: no_return()
  defp refuse!(part, selector) do
    raise ArgumentError,
          "kubernetes_selector is #{inspect(selector)}, and no labels can be made for #{inspect(part)}: " <>
            "accepted are key=value, key in (a, b), key, and their opposites"
  end
end
