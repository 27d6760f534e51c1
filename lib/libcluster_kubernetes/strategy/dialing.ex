defmodule LibclusterKubernetes.Strategy.Dialing do
  @moduledoc false
  # Which nodes to try to connect to now: not those that are being tried, and the unreachable ones ever more rarely,
  # from one second up to a minute. Pure: `now` is monotonic milliseconds.
  #
  # Only so many at once, those with the fewest failures first: a selector that matches thousands of pods without Erlang
  # must not use up the ports of this VM, nor keep it from those that answer.

  @first_pause 1_000
  @longest_pause 60_000
  @most_in_flight 256

  # Until those that had to wait for room are tried: time for more room.
  @breath 100

  defstruct in_flight: MapSet.new(), failures: %{}, crowded?: false

  @type name :: String.t()
  @type t :: %__MODULE__{
          in_flight: MapSet.t(name()),
          failures: %{name() => {count :: pos_integer(), retry_at :: integer()}},
          crowded?: boolean()
        }

  @spec new() :: t()
  def new, do: %__MODULE__{}

  @doc "Of `names`, which are wanted and not connected, those to try now. Failures of all others are forgotten."
  @spec due(t(), [name()], integer()) :: {[name()], t()}
  def due(dialing, names, now) do
    dialing = %{dialing | failures: Map.take(dialing.failures, names)}

    {due, waiting} =
      names
      |> Enum.filter(&(&1 not in dialing.in_flight and retry_at(dialing, &1, now) <= now))
      |> Enum.sort_by(&failures(dialing, &1))
      |> Enum.split(room(dialing))

    {due, %{dialing | in_flight: Enum.into(due, dialing.in_flight), crowded?: waiting != []}}
  end

  @spec connected(t(), name()) :: t()
  def connected(dialing, name) do
    %{dialing | in_flight: MapSet.delete(dialing.in_flight, name), failures: Map.delete(dialing.failures, name)}
  end

  @spec failed(t(), name(), integer()) :: t()
  def failed(dialing, name, now) do
    count = 1 + failures(dialing, name)
    failures = Map.put(dialing.failures, name, {count, now + pause(count)})
    %{dialing | in_flight: MapSet.delete(dialing.in_flight, name), failures: failures}
  end

  @doc "Whether somebody was tried and nobody answered, and no other try runs."
  @spec tried?(t(), name()) :: boolean()
  def tried?(dialing, name), do: is_map_key(dialing.failures, name) and name not in dialing.in_flight

  @doc "Whether nobody is being tried, nor waits to be."
  @spec idle?(t()) :: boolean()
  def idle?(%{in_flight: in_flight, failures: failures, crowded?: crowded?}) do
    Enum.empty?(in_flight) and failures == %{} and not crowded?
  end

  @doc "When somebody is to be tried next, if that is known."
  @spec next_retry(t(), integer()) :: integer() | nil
  def next_retry(dialing, now) do
    waiting = if dialing.crowded? and room(dialing) > 0, do: [now + @breath], else: []

    dialing.failures
    |> Enum.map(fn {_name, {_count, retry_at}} -> retry_at end)
    |> Enum.filter(&(&1 > now))
    |> Enum.concat(waiting)
    |> Enum.min(fn -> nil end)
  end

  defp room(dialing), do: @most_in_flight - MapSet.size(dialing.in_flight)

  defp retry_at(dialing, name, now), do: elem(Map.get(dialing.failures, name, {0, now}), 1)

  defp failures(dialing, name), do: elem(Map.get(dialing.failures, name, {0, nil}), 0)

  # The exponent is bounded: the pause is at its longest long before.
  defp pause(count), do: min(@longest_pause, @first_pause * Integer.pow(2, min(count, 10) - 1))
end
