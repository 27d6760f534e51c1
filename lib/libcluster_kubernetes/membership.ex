defmodule LibclusterKubernetes.Membership do
  @moduledoc false
  # Who is in the answers, who is no longer, and what follows from it. Pure: `now` is monotonic milliseconds, names are
  # binaries, and nothing here knows who is connected.
  #
  #     in the answer ──── absent from one ───▶ absent since T ──── back ───▶ in the answer
  #                                                  │
  #                               `disconnect_after` later, plus a courtesy
  #                                                  ▼
  #                                     disconnected, if still connected
  #
  # This node itself goes the same way, but leaves by itself and without the courtesy: whoever disconnects a live node
  # explicitly makes `global` cut healthy links, so the others give it the time to go first (they may have seen its
  # absence up to a polling interval earlier than it did).

  defstruct [
    :disconnect_after,
    :courtesy,
    self: nil,
    ready: MapSet.new(),
    present: MapSet.new(),
    draining?: false,
    absent: %{}
  ]

  @type name :: String.t()
  @type t :: %__MODULE__{
          disconnect_after: non_neg_integer() | :never,
          courtesy: non_neg_integer(),
          self: name() | nil,
          ready: MapSet.t(name()),
          present: MapSet.t(name()),
          draining?: boolean(),
          absent: %{name() => since :: integer()}
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
  @spec departed(t(), integer()) :: [name()]
  def departed(%{absent: absent, self: self}, _now) when is_map_key(absent, self), do: []
  def departed(%{disconnect_after: :never}, _now), do: []

  def departed(membership, now) do
    for {name, since} <- membership.absent, now >= disconnect_at(membership, since), do: name
  end

  @doc "Whether this node has been absent for so long that it must leave."
  @spec leave?(t(), integer()) :: boolean()
  def leave?(%{disconnect_after: :never}, _now), do: false

  def leave?(%{absent: absent, self: self} = membership, now) when is_map_key(absent, self) do
    now >= absent[self] + membership.disconnect_after
  end

  def leave?(_membership, _now), do: false

  @doc "Forgets members that are gone for good."
  @spec forget(t(), [name()]) :: t()
  def forget(membership, names), do: %{membership | absent: Map.drop(membership.absent, names)}

  @doc "When the next of `departed/2` and `leave?/2` is due, if one is to come."
  @spec next_deadline(t(), integer()) :: integer() | nil
  def next_deadline(%{disconnect_after: :never}, _now), do: nil

  def next_deadline(membership, now) do
    membership.absent
    |> Enum.map(fn {name, since} ->
      if name == membership.self, do: since + membership.disconnect_after, else: disconnect_at(membership, since)
    end)
    |> Enum.filter(&(&1 > now))
    |> Enum.min(fn -> nil end)
  end

  defp disconnect_at(membership, since), do: since + membership.disconnect_after + membership.courtesy

  # Where nobody is ever disconnected, only this node's own absence matters.
  defp tracked(absent, %{disconnect_after: :never}, self), do: Map.take(absent, [self])
  defp tracked(absent, _membership, _self), do: absent
end
