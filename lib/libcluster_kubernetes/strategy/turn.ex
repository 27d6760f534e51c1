defmodule LibclusterKubernetes.Strategy.Turn do
  @moduledoc false
  # Of two nodes, which one dials the other. Pure.
  #
  # Where a hundred nodes learn of each other in one moment and both sides of every pair dial, some of those double
  # connections fall, `global` takes each for a partition, and cuts healthy links. So the one with the smaller name dials
  # at once, and the other leaves it to that one for a second. Then it dials all the same: the first may not see it, may
  # run another strategy, or may have no VM yet.
  #
  # A hundred nodes need several seconds to meet in any order. Who is late then is on its way: so each of those that are missing in
  # the same moment makes the others wait a little longer.
  #
  # To a node that has just got its first list the others are no news: they may have tried it in vain while its VM was
  # booting. So it leaves whom it finds there to the others for no longer than those few would need, were they starting in
  # the same moment. A first list that names nobody is over with that: whoever comes later is news to all.

  @patience 1_000
  # What each that is missing in the same moment adds to it.
  @each_together 100
  # However many they are.
  @longest 30_000
  # What a member of the first list comes to.
  @each 10

  @type name :: String.t()
  @typedoc """
  `own` is this node's name, where others dial it: where the answers say that it is ready. `nil`: it waits for nobody.
  `missing` counts those that nobody has tried yet; `first_list?` where the first list is acted on.
  """
  @type t :: %__MODULE__{own: name() | nil, missing: pos_integer(), first_list?: boolean()}

  defstruct own: nil, missing: 1, first_list?: false

  @doc "Whether it is for the node called `own` to dial `other` at once, where both are news to each other."
  @spec first?(name(), name()) :: boolean()
  def first?(own, other), do: own < other

  @doc "For how many milliseconds it is left to `other`, whom this node begins to miss. `random` is from 0 to 1."
  @spec patience(t(), name(), random :: float()) :: non_neg_integer()
  def patience(%{own: nil}, _other, _random), do: 0

  def patience(turn, other, random) do
    if first?(turn.own, other), do: 0, else: round(longest(turn) * (0.75 + 0.25 * random))
  end

  defp longest(%{first_list?: true, missing: missing}), do: min(@patience, missing * @each)
  defp longest(%{missing: missing}), do: min(@longest, @patience + (missing - 1) * @each_together)
end
