defmodule LibclusterKubernetes.Bench.Stats do
  @moduledoc "Medians and their spread."

  @doc "The middle value, or the mean of the two in the middle."
  @spec median([number(), ...]) :: float()
  def median(values), do: percentile(values, 50)

  @spec mean([number(), ...]) :: float()
  def mean(values), do: Enum.sum(values) / length(values)

  @doc "The value below which so many percent lie, interpolated."
  @spec percentile([number(), ...], number()) :: float()
  def percentile(values, percent) do
    sorted = Enum.sort(values)
    rank = percent / 100 * (length(sorted) - 1)
    below = Enum.at(sorted, floor(rank))
    below + (Enum.at(sorted, ceil(rank)) - below) * (rank - floor(rank))
  end
end
