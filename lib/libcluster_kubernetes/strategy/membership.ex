defmodule LibclusterKubernetes.Strategy.Membership do
  @moduledoc false
  # Who is in the answers, who is no longer, and what follows from it. Pure: `now` is monotonic milliseconds, names are
  # binaries, and nothing here knows who is connected.
  #
  #     in the answer ──── absent from one ───▶ absent since T ──── back ───▶ in the answer
  #                                                  │
  #                               `disconnect_after` later, plus a courtesy,
  #                                  absent from an answer of then, too
  #                                                  ▼
  #                                     disconnected, if still connected
  #
  # The second answer is there because the first can be stale by then: a watch can be dead for a minute before that is
  # noticed.
  #
  # This node itself goes the same way, but leaves by itself and without the courtesy: whoever disconnects a live node
  # explicitly makes `global` cut healthy links, so the others give it the time to go first (they may have seen its
  # absence up to a polling interval earlier than it did). It leaves once: others that connect to it again know it as a
  # member, and a link too many harms nobody.

  @enforce_keys [:disconnect_after, :courtesy, :observed_at]
  defstruct [
    :disconnect_after,
    :courtesy,
    # When an answer last told what was true then; before the first one, when the topology started.
    :observed_at,
    answered?: false,
    self: nil,
    ready: MapSet.new(),
    draining: MapSet.new(),
    present: MapSet.new(),
    absent: %{},
    # Whether the last answer names this node, which may have been dismissed since.
    named?: false,
    left?: false
  ]

  @type name :: String.t()
  @type t :: %__MODULE__{
          disconnect_after: non_neg_integer() | :never,
          courtesy: non_neg_integer(),
          observed_at: integer(),
          answered?: boolean(),
          self: name() | nil,
          ready: MapSet.t(name()),
          draining: MapSet.t(name()),
          present: MapSet.t(name()),
          absent: %{name() => since :: integer()},
          named?: boolean(),
          left?: boolean()
        }
  @type standing :: :ready | :not_ready | :draining | :absent

  @spec new(non_neg_integer() | :never, pos_integer(), integer()) :: t()
  def new(:never, _polling_interval, now), do: %__MODULE__{disconnect_after: :never, courtesy: 0, observed_at: now}

  def new(disconnect_after, polling_interval, now) do
    # The interval with its jitter, and as much again for the answer to arrive.
    courtesy = min(disconnect_after, div(polling_interval * 12, 10))
    %__MODULE__{disconnect_after: disconnect_after, courtesy: courtesy, observed_at: now}
  end

  @doc "Takes in a complete answer, as seen by the node called `self`."
  @spec observe(t(), name(), LibclusterKubernetes.Native.snapshot(), integer()) :: t()
  def observe(membership, self, snapshot, now) do
    ready = MapSet.new(snapshot.ready)
    draining = MapSet.new(snapshot.draining)
    present = ready |> MapSet.union(MapSet.new(snapshot.not_ready)) |> MapSet.union(draining)
    gone = membership.present |> MapSet.difference(present) |> Map.new(&{&1, now})
    absent = for {name, since} <- Map.merge(gone, membership.absent), name not in present, into: %{}, do: {name, since}

    %{
      membership
      | self: self,
        answered?: true,
        ready: ready,
        draining: draining,
        present: present,
        named?: self in present,
        left?: membership.left? and self not in present,
        observed_at: observed_at(membership, snapshot.freshness, now),
        absent: tracked(absent, membership, self)
    }
  end

  @doc "Takes in an answer that says the same as the last one."
  @spec confirm(t(), LibclusterKubernetes.Native.freshness(), integer()) :: t()
  def confirm(%{named?: true, absent: absent, self: self} = membership, freshness, now) when is_map_key(absent, self) do
    present = MapSet.put(membership.present, self)
    absent = Map.delete(absent, self)
    observed_at = observed_at(membership, freshness, now)
    %{membership | present: present, absent: absent, left?: false, observed_at: observed_at}
  end

  def confirm(membership, freshness, now) do
    observed_at = observed_at(membership, freshness, now)
    %{membership | left?: membership.left? and not membership.named?, observed_at: observed_at}
  end

  # What a cache tells says who is absent, and not that they still are.
  defp observed_at(_membership, :present, now), do: now
  defp observed_at(membership, :known, _now), do: membership.observed_at

  @doc "Whether nobody is missing: then an answer that says the same again changes nothing but its time."
  @spec nobody_absent?(t()) :: boolean()
  def nobody_absent?(membership), do: map_size(membership.absent) == 0

  @doc "Whether nothing differs between these two but the times of their answers."
  @spec same?(t(), t()) :: boolean()
  def same?(one, other), do: %{one | observed_at: other.observed_at} == other

  @doc "Whether the next answer may decide about a disconnect."
  @spec deciding?(t()) :: boolean()
  def deciding?(membership), do: membership.disconnect_after == 0 or not nobody_absent?(membership)

  @doc "Whom to be connected to. Nobody, while this node drains or is itself absent."
  @spec wanted(t()) :: MapSet.t(name())
  def wanted(%{absent: absent, self: self}) when is_map_key(absent, self), do: MapSet.new()

  def wanted(membership) do
    if membership.self in membership.draining,
      do: MapSet.new(),
      else: MapSet.delete(membership.ready, membership.self)
  end

  @doc "How many members have come and gone from the earlier of two to the later."
  @spec changes(t(), t()) :: {came :: non_neg_integer(), gone :: non_neg_integer()}
  def changes(%{present: earlier}, %{present: later}) do
    came = later |> MapSet.difference(earlier) |> MapSet.size()
    {came, MapSet.size(earlier) + came - MapSet.size(later)}
  end

  @doc "Every member but this node, with what the answers say of it."
  @spec standings(t()) :: [{name(), standing()}]
  def standings(membership) do
    present = for name <- membership.present, do: {name, standing(membership, name)}
    absent = for {name, _since} <- membership.absent, do: {name, :absent}
    Enum.reject(present ++ absent, fn {name, _standing} -> name == membership.self end)
  end

  defp standing(membership, name) do
    cond do
      name in membership.ready -> :ready
      name in membership.draining -> :draining
      true -> :not_ready
    end
  end

  @doc "Whom another topology of this VM must not disconnect."
  @spec held(t()) :: MapSet.t(name())
  def held(membership), do: membership.absent |> Map.keys() |> MapSet.new() |> MapSet.union(membership.present)

  @doc "Whom to disconnect: absent for long enough. Nobody, while this node is itself absent: then it leaves instead."
  @spec departed(t()) :: [name()]
  def departed(%{absent: absent, self: self}) when is_map_key(absent, self), do: []
  def departed(membership), do: for({name, at} <- deadlines(membership), confirmed?(membership, at), do: name)

  @doc "Whether this node has been absent for so long that it must leave, and has not left yet."
  @spec leave?(t()) :: boolean()
  def leave?(membership), do: gone?(membership) and not membership.left?

  @doc "Whether this node has been absent for so long that nobody counts on it."
  @spec gone?(t()) :: boolean()
  def gone?(membership) do
    Enum.any?(deadlines(membership), fn {name, at} -> name == membership.self and confirmed?(membership, at) end)
  end

  @doc "Whether somebody has been absent for long enough, but for an answer that confirms it."
  @spec unconfirmed?(t(), integer()) :: boolean()
  def unconfirmed?(membership, now) do
    Enum.any?(deadlines(membership), fn {_name, at} -> at <= now and not confirmed?(membership, at) end)
  end

  @doc "Whether the last answer names this node."
  @spec member?(t()) :: boolean()
  def member?(membership), do: membership.self in membership.present

  @doc "Takes this node for gone until an answer names it."
  @spec dismiss(t(), name(), integer()) :: t()
  def dismiss(membership, self, now) do
    present = MapSet.delete(membership.present, self)
    absent = Map.put_new(membership.absent, self, now)
    %{membership | self: self, present: present, absent: absent}
  end

  @doc "This node has left, and does not do so again before it was back."
  @spec left(t()) :: t()
  def left(membership), do: %{membership | left?: true}

  @doc "Forgets members that are gone for good."
  @spec forget(t(), [name()]) :: t()
  def forget(membership, names), do: %{membership | absent: Map.drop(membership.absent, names)}

  @doc "When the next absence is long enough, if one is to come."
  @spec next_deadline(t(), integer()) :: integer() | nil
  def next_deadline(membership, now) do
    membership
    |> deadlines()
    |> Enum.map(fn {_name, at} -> at end)
    |> Enum.filter(&(&1 > now))
    |> Enum.min(fn -> nil end)
  end

  # When each absence is long enough.
  defp deadlines(%{disconnect_after: :never}), do: []

  defp deadlines(%{self: self} = membership) do
    Enum.map(membership.absent, fn
      {^self, since} -> {self, since + membership.disconnect_after}
      {name, since} -> {name, since + membership.disconnect_after + membership.courtesy}
    end)
  end

  # Whether an absence that is long enough at this time is one by an answer of then. Before the first answer nobody is
  # absent but who was dismissed, and that needs none.
  defp confirmed?(%{answered?: false}, _at), do: true
  defp confirmed?(membership, at), do: at <= membership.observed_at

  # Where nobody is ever disconnected, only this node's own absence matters.
  defp tracked(absent, %{disconnect_after: :never}, self), do: Map.take(absent, [self])
  defp tracked(absent, _membership, _self), do: absent
end
