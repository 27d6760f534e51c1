defmodule LibclusterKubernetes.Bench.Figure do
  @moduledoc """
  One result: the median of samples with their spread, the 10th and the 90th percentile.

  `who` is `:ours`, `:stock`, `:bare` (a GET alone), `:bare_cached` (one from the
  server's cache), `:write` (the write that is reacted to) or `:nobody`. `members` and `source` are nil where there are none.
  """

  alias LibclusterKubernetes.Bench.Stats

  @enforce_keys [:measure, :source, :members, :who, :unit, :median, :low, :high, :samples]
  defstruct @enforce_keys

  @type t :: %__MODULE__{}

  @doc "Makes a figure of samples in `unit`: `:ns`, `:us`, `:bytes` or `:count`."
  @spec new(atom(), {atom() | nil, pos_integer() | nil}, atom(), atom(), [number(), ...]) :: t()
  def new(measure, {source, members}, who, unit, samples) do
    %__MODULE__{
      measure: measure,
      source: source,
      members: members,
      who: who,
      unit: unit,
      median: Stats.median(samples),
      low: Stats.percentile(samples, 10),
      high: Stats.percentile(samples, 90),
      samples: length(samples)
    }
  end

  @doc "The median of the figure that is looked for, or nil."
  @spec find([t()], atom(), {atom() | nil, pos_integer() | nil}, atom()) :: float() | nil
  def find(figures, measure, {source, members}, who) do
    Enum.find_value(figures, fn figure ->
      if {figure.measure, figure.source, figure.members, figure.who} == {measure, source, members, who},
        do: figure.median
    end)
  end
end
