defmodule LibclusterKubernetes.Membership do
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

  defstruct [
    :disconnect_after,
    :courtesy,
    self: nil,
    ready: MapSet.new(),
    present: MapSet.new(),
    draining?: false,
    absent: %{},
    left?: false,
    observed_at: nil
  ]

  @type name :: String.t()
  @type t :: %__MODULE__{
          disconnect_after: non_neg_integer() | :never,
          courtesy: non_neg_integer(),
          self: name() | nil,
          ready: MapSet.t(name()),
          present: MapSet.t(name()),
          draining?: boolean(),
          absent: %{name() => since :: integer()},
          left?: boolean(),
          observed_at: integer() | nil
        }

  @spec new(non_neg_integer() | :never, pos_integer()) :: t()
  def new(:never, _polling_interval), do: %__MODULE__{disconnect_after: :never, courtesy: 0}

  def new(disconnect_after, polling_interval) do
    # The interval with its jitter, and as much again for the answer to arrive.
    %__MODULE__{disconnect_after: disconnect_after, courtesy: min(disconnect_after, div(polling_interval * 12, 10))}
  end

  @doc "Takes in a complete answer, as seen by the node called `self`."
  @spec observe(t(), name(), LibclusterKubernetes.Native.snapshot(), integer()) :: t()
  def observe(membership, self, snapshot, now) do
    ready = MapSet.new(snapshot.ready)
    present = ready |> MapSet.union(MapSet.new(snapshot.not_ready)) |> MapSet.union(MapSet.new(snapshot.draining))
    gone = membership.present |> MapSet.difference(present) |> Map.new(&{&1, now})

    %{
      membership
      | self: self,
        ready: ready,
        present: present,
        draining?: self in snapshot.draining,
        left?: membership.left? and self not in present,
        observed_at: now,
        absent: gone |> Map.merge(membership.absent) |> Map.drop(MapSet.to_list(present)) |> tracked(membership, self)
    }
  end

  @doc "Whom to be connected to. Nobody, while this node drains or is itself absent."
  @spec wanted(t()) :: MapSet.t(name())
  def wanted(%{draining?: true}), do: MapSet.new()
  def wanted(%{absent: absent, self: self}) when is_map_key(absent, self), do: MapSet.new()
  def wanted(membership), do: MapSet.delete(membership.ready, membership.self)

  @doc "Whom another topology of this VM must not disconnect."
  @spec held(t()) :: [name()]
  def held(membership), do: Map.keys(membership.absent) ++ MapSet.to_list(membership.present)

  @doc "Whom to disconnect: absent for long enough. Nobody, while this node is itself absent: then it leaves instead."
  @spec departed(t()) :: [name()]
  def departed(%{absent: absent, self: self}) when is_map_key(absent, self), do: []
  def departed(membership), do: for({name, at} <- deadlines(membership), at <= membership.observed_at, do: name)

  @doc "Whether this node has been absent for so long that it must leave, and has not left yet."
  @spec leave?(t()) :: boolean()
  def leave?(%{left?: true}), do: false

  def leave?(membership) do
    Enum.any?(deadlines(membership), fn {name, at} -> name == membership.self and at <= membership.observed_at end)
  end

  @doc "Whether somebody has been absent for long enough, but for an answer that confirms it."
  @spec unconfirmed?(t(), integer()) :: boolean()
  def unconfirmed?(membership, now) do
    Enum.any?(deadlines(membership), fn {_name, at} -> at <= now and at > membership.observed_at end)
  end

  @doc "Whether the last answer names this node."
  @spec member?(t()) :: boolean()
  def member?(membership), do: membership.self in membership.present

  @doc "Whether answers have named this node, and no longer do."
  @spec gone?(t()) :: boolean()
  def gone?(membership), do: is_map_key(membership.absent, membership.self)

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

  # Where nobody is ever disconnected, only this node's own absence matters.
  defp tracked(absent, %{disconnect_after: :never}, self), do: Map.take(absent, [self])
  defp tracked(absent, _membership, _self), do: absent
end
