defmodule LibclusterKubernetes.Strategy.Membership do
  @moduledoc false
  # Who is in the answers, who is no longer, and what follows from it. Pure: `now` is monotonic milliseconds, names are
  # binaries, and who is connected is handed in.
  #
  #     in the answer ──── absent from one ───▶ absent since T ──── back ───▶ in the answer
  #                                                │      │
  #                         its connection closes  │      │ `disconnect_after` later, and still connected
  #                                                ▼      ▼
  #                                        forgotten      suspected: to be judged ── stays ──▶ suspected again, ever later
  #
  # This node itself goes the same way, but is not forgotten. `LibclusterKubernetes.Strategy.Judgement` has the rule by which
  # a suspect is judged.

  @enforce_keys [:disconnect_after]
  defstruct [
    :disconnect_after,
    :self,
    ready: MapSet.new(),
    draining: MapSet.new(),
    present: MapSet.new(),
    absent: %{},
    # Members that were connected: their links are made again when they are lost.
    met: MapSet.new(),
    # Whether this node was judged to be gone, and whether it has left; until an answer names it.
    gone?: false,
    left?: false,
    answered?: false
  ]

  @type name :: String.t()
  @type t :: %__MODULE__{
          disconnect_after: non_neg_integer() | :never,
          self: name() | nil,
          ready: MapSet.t(name()),
          draining: MapSet.t(name()),
          present: MapSet.t(name()),
          absent: %{name() => absence()},
          met: MapSet.t(name()),
          gone?: boolean(),
          left?: boolean(),
          answered?: boolean()
        }
  @typedoc "Since when, how often it was judged and stayed, and when it is to be judged (again)."
  @type absence :: %{since: integer(), judged: non_neg_integer(), due: integer() | :never}
  @type standing :: :ready | :not_ready | :draining | :absent

  # Whoever was judged and stays is judged again after twice the time, at last once an hour.
  @longest 3_600_000

  @doc "Whether nobody is missing: then an answer that says the same again changes nothing."
  @spec nobody_absent?(t()) :: boolean()
  def nobody_absent?(membership), do: membership.absent == %{}

  @spec new(non_neg_integer() | :never) :: t()
  def new(disconnect_after), do: %__MODULE__{disconnect_after: disconnect_after}

  @doc "Takes in a complete answer, as seen by the node called `self`."
  @spec observe(t(), name(), LibclusterKubernetes.Native.snapshot(), integer()) :: t()
  def observe(membership, self, snapshot, now) do
    ready = MapSet.new(snapshot.ready)
    draining = MapSet.new(snapshot.draining)
    present = ready |> MapSet.union(MapSet.new(snapshot.not_ready)) |> MapSet.union(draining)
    gone = for name <- membership.present, name not in present, into: %{}, do: {name, absence(membership, now)}
    absent = for {name, _} = entry <- membership.absent, name not in present, into: gone, do: entry

    %{
      membership
      | self: self,
        ready: ready,
        draining: draining,
        present: present,
        absent: absent,
        answered?: true
    }
    |> confirm()
  end

  @doc "Takes in an answer that says the same as the last one."
  @spec confirm(t()) :: t()
  def confirm(membership) do
    named? = membership.self in membership.present
    %{membership | gone?: membership.gone? and not named?, left?: membership.left? and not named?}
  end

  @doc """
  Takes in whom this node is connected to: members of these are met, and absent ones that are not are forgotten. A dial
  that is in flight may yet succeed.
  """
  @spec meet(t(), connected :: MapSet.t(name()), in_flight :: MapSet.t(name())) :: t()
  def meet(membership, connected, in_flight) do
    absent =
      for {name, absence} <- membership.absent,
          name == membership.self or name in connected or name in in_flight,
          into: %{},
          do: {name, absence}

    membership = %{membership | absent: absent}
    met = for name <- membership.met, known?(membership, name), into: members(membership, connected), do: name
    %{membership | met: met}
  end

  @doc """
  Whom to be connected to. A node that drains or is absent meets nobody new, but its lost links are made again, and so are
  those to whoever drains or is not ready. Nobody, once this node is gone.

  `not_ready?`: whoever is not ready as well. Pods that wait for each other before they become ready would wait in vain.
  """
  @spec wanted(t(), not_ready? :: boolean()) :: MapSet.t(name())
  def wanted(membership, not_ready? \\ false)
  def wanted(%{gone?: true}, _not_ready?), do: MapSet.new()

  def wanted(%{self: self} = membership, not_ready?) do
    known = MapSet.intersection(membership.met, membership.present)
    retiring? = self in membership.draining or is_map_key(membership.absent, self)

    new =
      cond do
        retiring? -> MapSet.new()
        not_ready? -> MapSet.difference(membership.present, membership.draining)
        true -> membership.ready
      end

    new |> MapSet.union(known) |> MapSet.delete(self)
  end

  @doc "Those of `names` that are members, absent ones included, without this node."
  @spec members(t(), MapSet.t(name())) :: MapSet.t(name())
  def members(membership, names) do
    for name <- names, known?(membership, name), name != membership.self, into: MapSet.new(), do: name
  end

  defp known?(membership, name), do: name in membership.present or is_map_key(membership.absent, name)

  @doc """
  Whom to judge: who has been absent for long enough. This node itself only where it is connected to a member, and not once
  it has left: whoever connects to it again knows it as a member.
  """
  @spec suspects(t(), connected :: MapSet.t(name()), integer()) :: [name()]
  def suspects(membership, connected, now) do
    due = for {name, %{due: due}} <- membership.absent, due <= now, do: name
    judged? = membership.self in due and not membership.left? and not Enum.empty?(members(membership, connected))
    if judged?, do: due, else: List.delete(due, membership.self)
  end

  @doc "When the next absence is long enough, if one is to come."
  @spec next_due(t(), integer()) :: integer() | nil
  def next_due(membership, now) do
    for({_name, %{due: due}} <- membership.absent, is_integer(due) and due > now, do: due) |> Enum.min(fn -> nil end)
  end

  @doc "These were judged and stay: they are suspected again after a time that doubles."
  @spec postpone(t(), [name()], integer()) :: t()
  def postpone(membership, names, now) do
    judged =
      for {name, absence} <- Map.take(membership.absent, names), into: %{}, do: {name, later(membership, absence, now)}

    %{membership | absent: Map.merge(membership.absent, judged)}
  end

  defp absence(membership, now), do: %{since: now, judged: 0, due: due(membership, 0, now)}

  defp later(membership, %{judged: judged} = absence, now) do
    %{absence | judged: judged + 1, due: due(membership, judged + 1, now)}
  end

  defp due(%{disconnect_after: :never}, _judged, _now), do: :never

  defp due(%{disconnect_after: wait}, judged, now) do
    now + max(wait, min(@longest, wait * Integer.pow(2, min(judged, 20))))
  end

  @doc "This node was judged to be gone: it holds nobody any more, and connects to nobody until an answer names it again."
  @spec gone(t()) :: t()
  def gone(membership), do: %{membership | gone?: true}

  @doc "This node has left."
  @spec left(t()) :: t()
  def left(membership), do: %{membership | gone?: true, left?: true}

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
    absent = for {name, _absence} <- membership.absent, do: {name, :absent}
    Enum.reject(present ++ absent, fn {name, _standing} -> name == membership.self end)
  end

  @doc "What the answers say of this node; `nil` where none ever named it, or where that is forgotten."
  @spec standing(t()) :: standing() | nil
  def standing(%{self: self} = membership) do
    cond do
      self in membership.present -> standing(membership, self)
      is_map_key(membership.absent, self) -> :absent
      true -> nil
    end
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
end
