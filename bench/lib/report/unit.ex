defmodule LibclusterKubernetes.Bench.Report.Unit do
  @moduledoc "Values as people read them."

  @doc "A value with its unit, in three digits."
  @spec text(number(), :ns | :us | :bytes | :count) :: String.t()
  def text(value, unit) when value < 0, do: "-" <> text(-value, unit)
  def text(value, :ns), do: text(value / 1_000, :us)
  def text(value, :us) when value >= 1_000_000, do: digits(value / 1_000_000) <> " s"
  def text(value, :us) when value >= 1_000, do: digits(value / 1_000) <> " ms"
  def text(value, :us), do: digits(value) <> " µs"
  def text(value, :bytes) when value >= 1.0e9, do: digits(value / 1.0e9) <> " GB"
  def text(value, :bytes) when value >= 1.0e6, do: digits(value / 1.0e6) <> " MB"
  def text(value, :bytes) when value >= 1.0e3, do: digits(value / 1.0e3) <> " kB"
  def text(value, :bytes), do: digits(value) <> " B"
  def text(value, :count), do: digits(value)

  @doc "Ours as a part of theirs, or as a multiple where it is larger."
  @spec ratio(number(), number()) :: String.t()
  def ratio(_ours, theirs) when theirs <= 0, do: "–"
  def ratio(ours, _theirs) when ours <= 0, do: "not measurable"
  def ratio(ours, theirs) when ours > theirs, do: digits(ours / theirs) <> " ×"
  def ratio(ours, theirs), do: "1/" <> digits(theirs / ours)

  defp digits(value) when value >= 100 or value == 0, do: "#{round(value)}"
  defp digits(value) when value >= 10, do: :erlang.float_to_binary(value / 1, decimals: 1)
  defp digits(value), do: :erlang.float_to_binary(value / 1, decimals: 2)
end
