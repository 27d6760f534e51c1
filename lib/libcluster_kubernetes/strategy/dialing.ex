defmodule LibclusterKubernetes.Strategy.Dialing do
  @moduledoc false
  # Which nodes to try to connect to now: those whose turn it is (`LibclusterKubernetes.Strategy.Turn`), not those that
  # are being tried, and whoever cannot be reached ever more rarely. Pure: `now` is monotonic milliseconds.
  #
  # A VM that is still starting refuses: it is tried again after 50, 100, 200 ... milliseconds, up to the tick. One that is
  # out of reach for long is tried after a quarter of that time, once a minute at last.
  #
  # Only a few at once, those with the fewest failures first, and fewer still of those whom the other is to dial: what does
  # not happen at once needs no order. Whoever takes longer than a healthy node does is left to it, and holds up nobody; but
  # there is a limit to that, too: a selector that matches thousands of pods without Erlang must not use up the ports of this
  # VM.

  alias LibclusterKubernetes.Strategy.Turn

  @first_pause 50
  @longest_pause 60_000

  @at_once 8
  @late_at_once 2
  # Milliseconds within which a healthy node is connected.
  @slow 1_000
  @most_in_flight 256

  @nobody {[], []}

  defstruct tick: 5_000, missing: %{}, in_flight: %{}, waiting: @nobody, begun?: false

  @type name :: String.t()
  @typedoc "Since when it is wanted and not connected, how often it was tried in vain, and when it is to be tried."
  @type missing :: %{since: integer(), failures: non_neg_integer(), due: integer(), late?: boolean()}
  @type place :: {failures :: non_neg_integer(), late? :: boolean(), random :: float(), name()}
  @type t :: %__MODULE__{
          tick: pos_integer(),
          missing: %{name() => missing()},
          # Since when each is tried, and whether it was the other's turn.
          in_flight: %{name() => {integer(), late? :: boolean()}},
          # Who is due and waits for room, in order: those whose turn it is, and those that are late.
          waiting: {[place()], [place()]},
          # Whether a list was acted on.
          begun?: boolean()
        }

  @spec new(tick :: pos_integer()) :: t()
  def new(tick), do: %__MODULE__{tick: tick}

  @doc """
  Of `names`, which are wanted and not connected, those to try now. All others are forgotten. `own` is this node's name,
  where others dial it.
  """
  @spec due(t(), [name()], own :: name() | nil, integer()) :: {[name()], t()}
  def due(dialing, names, own, now) do
    known = Map.take(dialing.missing, names)
    news = for name <- names, not is_map_key(known, name), do: name
    untried = Enum.count(known, fn {_name, %{failures: failures}} -> failures == 0 end) + length(news)
    turn = %Turn{own: own, missing: untried, first_list?: not dialing.begun?}
    missing = for name <- news, into: known, do: {name, appeared(name, turn, now)}
    %{dialing | missing: missing, begun?: true} |> queue(now) |> refill(now)
  end

  # Those that nobody has tried first, and those whose turn it is before those that are late, at random: many nodes that do the
  # same do not all begin with the same one.
  defp queue(dialing, now) do
    waiting =
      for {name, %{due: due, failures: failures, late?: late?}} <- dialing.missing,
          due <= now,
          not is_map_key(dialing.in_flight, name),
          do: {failures, late?, :rand.uniform(), name}

    %{dialing | waiting: waiting |> Enum.sort() |> Enum.split_with(fn {_, late?, _, _} -> not late? end)}
  end

  @doc "Of those that wait, those for whom there is room. Costs the same however many wait."
  @spec refill(t(), integer()) :: {[name()], t()}
  def refill(dialing, now) do
    quick = for {_name, {since, late?}} <- dialing.in_flight, now - since < @slow, do: late?
    room = min(@at_once - length(quick), @most_in_flight - map_size(dialing.in_flight))
    take(dialing, room, @late_at_once - Enum.count(quick, & &1), [], now)
  end

  defp take(dialing, room, late_room, taken, now) when room > 0 do
    case next(dialing.waiting, late_room) do
      {{_failures, late?, _random, name}, waiting} when is_map_key(dialing.missing, name) ->
        dialing = %{dialing | waiting: waiting, in_flight: Map.put(dialing.in_flight, name, {now, late?})}
        take(dialing, room - 1, if(late?, do: late_room - 1, else: late_room), [name | taken], now)

      {_not_wanted_any_more, waiting} ->
        take(%{dialing | waiting: waiting}, room, late_room, taken, now)

      nil ->
        {taken, dialing}
    end
  end

  defp take(dialing, _room, _late_room, taken, _now), do: {taken, dialing}

  # Whoever is late holds up nobody whose turn it is.
  defp next({[one | others], late}, late_room) when late_room <= 0 or late == [] or one < hd(late),
    do: {one, {others, late}}

  defp next({others, [one | late]}, late_room) when late_room > 0, do: {one, {others, late}}
  defp next(_waiting, _late_room), do: nil

  defp appeared(name, turn, now) do
    patience = Turn.patience(turn, name, :rand.uniform())
    %{since: now, failures: 0, due: now + patience, late?: patience > 0}
  end

  @spec connected(t(), name()) :: t()
  def connected(dialing, name) do
    %{dialing | in_flight: Map.delete(dialing.in_flight, name), missing: Map.delete(dialing.missing, name)}
  end

  @spec failed(t(), name(), integer()) :: t()
  def failed(dialing, name, now) do
    dialing = %{dialing | in_flight: Map.delete(dialing.in_flight, name)}

    case dialing.missing do
      %{^name => missing} -> %{dialing | missing: %{dialing.missing | name => failed_again(missing, dialing.tick, now)}}
      _not_wanted_any_more -> dialing
    end
  end

  defp failed_again(%{failures: failures} = missing, tick, now) do
    # The exponent is bounded: the pause is at its longest long before.
    longest = min(max(tick, div(now - missing.since, 4)), @longest_pause)
    pause = min(longest, @first_pause * Integer.pow(2, min(failures, 12)))
    %{missing | failures: failures + 1, due: now + round(pause * (0.75 + 0.25 * :rand.uniform()))}
  end

  @doc "Whether somebody was tried and nobody answered, and no other try runs."
  @spec tried?(t(), name()) :: boolean()
  def tried?(dialing, name), do: failures(dialing, name) > 0 and not in_flight?(dialing, name)

  @doc "How often this one was tried in vain since it is wanted."
  @spec failures(t(), name()) :: non_neg_integer()
  def failures(dialing, name), do: if(missed?(dialing, name), do: dialing.missing[name].failures, else: 0)

  @doc "For how long this one is wanted and not connected."
  @spec missed_for(t(), name(), integer()) :: non_neg_integer()
  def missed_for(dialing, name, now), do: now - dialing.missing[name].since

  @doc "Whether this one is wanted and not connected."
  @spec missed?(t(), name()) :: boolean()
  def missed?(dialing, name), do: is_map_key(dialing.missing, name)

  @doc "Whether this one is being tried."
  @spec in_flight?(t(), name()) :: boolean()
  def in_flight?(dialing, name), do: is_map_key(dialing.in_flight, name)

  @doc "Those that were tried in vain, and for how long they have been missed."
  @spec tried(t(), integer()) :: [{name(), non_neg_integer()}]
  def tried(dialing, now) do
    for {name, %{failures: failures, since: since}} <- dialing.missing, failures > 0, do: {name, now - since}
  end

  @doc "Whether nobody is being tried, nor waits to be."
  @spec idle?(t()) :: boolean()
  def idle?(dialing), do: dialing.in_flight == %{} and dialing.missing == %{}

  @doc "Whether somebody waits for room."
  @spec crowded?(t()) :: boolean()
  def crowded?(dialing), do: dialing.waiting != @nobody

  @doc "When this one is to be tried again, if it is still wanted."
  @spec due_at(t(), name()) :: integer() | nil
  def due_at(%{missing: missing}, name), do: with(%{due: due} <- missing[name], do: due)

  @doc "When somebody is to be tried next, if that is known."
  @spec next_try(t(), integer()) :: integer() | nil
  def next_try(dialing, now) do
    tries = for {_name, %{due: due}} <- dialing.missing, due > now, do: due
    room = for {_name, {since, _late?}} <- dialing.in_flight, crowded?(dialing), since + @slow > now, do: since + @slow
    Enum.min(tries ++ room, fn -> nil end)
  end
end
