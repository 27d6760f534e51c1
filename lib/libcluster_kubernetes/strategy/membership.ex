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

  # An answer comes whole at first, and then as what has changed. Only those are looked at: the changed, and whoever is not
  # connected.

  @enforce_keys [:disconnect_after]
  defstruct [
    :disconnect_after,
    :self,
    # Who is in the answer, and how many of them stand so.
    present: %{},
    counts: %{ready: 0, not_ready: 0, draining: 0},
    absent: %{},
    # Members that were connected: their links are made again when they are lost.
    met: MapSet.new(),
    # Members that were not connected when that was last looked at, and those that have come since.
    apart: MapSet.new(),
    # How many have come into the answers and gone from them since the start.
    came: 0,
    went: 0,
    # Whether this node was judged to be gone, and whether it has left; until an answer names it.
    gone?: false,
    left?: false,
    answered?: false
  ]

  @type name :: String.t()
  @type t :: %__MODULE__{
          disconnect_after: non_neg_integer() | :never,
          self: name() | nil,
          present: %{name() => :ready | :not_ready | :draining},
          counts: counts(),
          absent: %{name() => absence()},
          met: MapSet.t(name()),
          apart: MapSet.t(name()),
          came: non_neg_integer(),
          went: non_neg_integer(),
          gone?: boolean(),
          left?: boolean(),
          answered?: boolean()
        }
  @type counts :: %{ready: non_neg_integer(), not_ready: non_neg_integer(), draining: non_neg_integer()}
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
    named = for {_standing, names} <- lists(snapshot), name <- names, into: MapSet.new(), do: name
    gone = for {name, _standing} <- membership.present, name not in named, do: name
    change(membership, self, gone, snapshot, now)
  end

  @doc "Takes in what has changed since: who is `gone`, and who is new or stands otherwise."
  @spec change(t(), name(), gone :: [name()], news :: LibclusterKubernetes.Native.snapshot(), integer()) :: t()
  def change(membership, self, gone, news, now) do
    membership = Enum.reduce(gone, %{membership | self: self, answered?: true}, &lose(&2, &1, now))

    for({standing, names} <- lists(news), name <- names, do: {name, standing})
    |> Enum.reduce(membership, &find/2)
    |> confirm()
  end

  defp lists(snapshot), do: [ready: snapshot.ready, not_ready: snapshot.not_ready, draining: snapshot.draining]

  defp lose(membership, name, now) do
    case Map.pop(membership.present, name) do
      {nil, _present} ->
        membership

      {standing, present} ->
        absent = Map.put(membership.absent, name, absence(membership, now))
        counts = count(membership.counts, standing, -1)
        %{membership | present: present, counts: counts, absent: absent, went: membership.went + 1}
    end
  end

  defp find({name, standing}, membership) do
    present = Map.put(membership.present, name, standing)
    counts = count(membership.counts, standing, 1)

    case membership.present do
      %{^name => before} ->
        %{membership | present: present, counts: count(counts, before, -1)}

      _new ->
        absent = Map.delete(membership.absent, name)
        apart = MapSet.put(membership.apart, name)
        %{membership | present: present, counts: counts, absent: absent, apart: apart, came: membership.came + 1}
    end
  end

  defp count(counts, standing, more), do: %{counts | standing => Map.fetch!(counts, standing) + more}

  @doc "Takes in an answer that says the same as the last one."
  @spec confirm(t()) :: t()
  def confirm(membership) do
    named? = is_map_key(membership.present, membership.self)
    %{membership | gone?: membership.gone? and not named?, left?: membership.left? and not named?}
  end

  @doc """
  Takes in whom this node is connected to, and who of those before is `lost`: members of these are met, and absent ones that
  are not are forgotten. A dial that is in flight may yet succeed.
  """
  @spec meet(t(), connected :: MapSet.t(name()), lost :: [name()], in_flight :: %{name() => term()}) :: t()
  def meet(membership, connected, lost, in_flight) do
    apart = for name <- lost, known?(membership, name), into: membership.apart, do: name

    Enum.reduce(apart, %{membership | apart: apart}, fn name, membership ->
      cond do
        name == membership.self -> membership
        name in connected -> meet(membership, name)
        is_map_key(membership.absent, name) and not is_map_key(in_flight, name) -> forget(membership, name)
        true -> membership
      end
    end)
  end

  defp meet(membership, name) do
    %{membership | apart: MapSet.delete(membership.apart, name), met: MapSet.put(membership.met, name)}
  end

  defp forget(membership, name) do
    [apart, met] = for names <- [membership.apart, membership.met], do: MapSet.delete(names, name)
    %{membership | apart: apart, met: met, absent: Map.delete(membership.absent, name)}
  end

  @doc """
  Whom to connect to, of those that are not connected. A node that drains or is absent meets nobody new, but its lost links are
  made again, and so are those to whoever drains or is not ready. Nobody, once this node is gone.

  `not_ready?`: whoever is not ready as well. Pods that wait for each other before they become ready would wait in vain.
  """
  @spec missing(t(), not_ready? :: boolean()) :: [name()]
  def missing(membership, not_ready? \\ false)
  def missing(%{gone?: true}, _not_ready?), do: []

  def missing(%{self: self} = membership, not_ready?) do
    new =
      cond do
        standing(membership, self) in [:draining, :absent] -> []
        not_ready? -> [:ready, :not_ready]
        true -> [:ready]
      end

    for name <- membership.apart, name != self, wanted?(membership, name, new), do: name
  end

  defp wanted?(membership, name, new) do
    case standing(membership, name) do
      standing when standing in [:absent, nil] -> false
      standing -> standing in new or name in membership.met
    end
  end

  @doc "This node's name, where others that see the same want to be connected to it."
  @spec dialled_as(t()) :: name() | nil
  def dialled_as(%{self: self} = membership), do: if(standing(membership, self) == :ready, do: self)

  @doc "Those of `names` that are members, absent ones included, without this node."
  @spec members(t(), MapSet.t(name())) :: MapSet.t(name())
  def members(membership, names) do
    for name <- names, known?(membership, name), name != membership.self, into: MapSet.new(), do: name
  end

  defp known?(membership, name), do: standing(membership, name) != nil

  @doc """
  Whom to judge: who is connected and has been absent for long enough. This node itself only where it is connected to a member,
  and not once it has left: whoever connects to it again knows it as a member.
  """
  @spec suspects(t(), connected :: MapSet.t(name()), integer()) :: [name()]
  def suspects(membership, connected, now) do
    for {name, %{due: due}} <- membership.absent, due <= now, judged?(membership, name, connected), do: name
  end

  defp judged?(%{self: name} = membership, name, connected) do
    not membership.left? and not Enum.empty?(members(membership, connected))
  end

  defp judged?(_membership, name, connected), do: name in connected

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

  @doc "This node was judged to be gone: it keeps nobody from leaving, and connects to nobody until an answer names it again."
  @spec gone(t()) :: t()
  def gone(membership), do: %{membership | gone?: true}

  @doc "This node has left."
  @spec left(t()) :: t()
  def left(membership), do: %{membership | gone?: true, left?: true}

  @doc "How many members have come and gone from the earlier of two to the later."
  @spec changes(t(), t()) :: {came :: non_neg_integer(), gone :: non_neg_integer()}
  def changes(earlier, later), do: {later.came - earlier.came, later.went - earlier.went}

  @doc "How many are in the answer, this node included."
  @spec size(t()) :: non_neg_integer()
  def size(membership), do: map_size(membership.present)

  @doc "Every member but this node, with what the answers say of it."
  @spec standings(t()) :: [{name(), standing()}]
  def standings(membership) do
    absent = for {name, _absence} <- membership.absent, do: {name, :absent}
    for {name, _standing} = member <- Map.to_list(membership.present) ++ absent, name != membership.self, do: member
  end

  @doc "What the answers say of this node; `nil` where none ever named it, or where that is forgotten."
  @spec standing(t()) :: standing() | nil
  def standing(%{self: self} = membership), do: standing(membership, self)

  defp standing(%{present: present}, name) when is_map_key(present, name), do: Map.fetch!(present, name)
  defp standing(%{absent: absent}, name) when is_map_key(absent, name), do: :absent
  defp standing(_membership, _name), do: nil

  @doc "Whether this topology knows anybody, whom another one of this VM must not disconnect."
  @spec anybody?(t()) :: boolean()
  def anybody?(membership), do: membership.present != %{} or membership.absent != %{}

  @doc "Whom the later of two no longer knows."
  @spec forgotten(t(), t()) :: [name()]
  def forgotten(earlier, later), do: for({name, _absence} <- earlier.absent, not known?(later, name), do: name)

  @doc "Whether this absent one was connected, and this node has not judged it: nobody else says that it goes."
  @spec parted?(t(), name()) :: boolean()
  def parted?(%{met: met, absent: absent}, name), do: name in met and absent[name].judged == 0
end
