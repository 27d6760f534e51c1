defmodule LibclusterKubernetes.Strategy.JobOutcome do
  @moduledoc false
  # What it means how a job ended.

  alias LibclusterKubernetes.Strategy.{Dialing, Job, Log, State, Topologies, Unreached}

  @spec take_in(State.t(), Job.t(), Job.result(), now :: integer()) :: State.t()
  def take_in(state, {:connect, name, _aloud?}, :ok, _now) do
    state = worked(state, :connect)
    %{state | dialing: Dialing.connected(state.dialing, name), unreached: Unreached.forget(state.unreached, name)}
  end

  def take_in(state, {:connect, name, aloud?}, failure, now) do
    # At first, and once more where it lasts.
    first? = aloud? or Dialing.failures(state.dialing, name) == 0
    state = connect_failed(state, name, failure, first?)
    state = %{say_if_full(state, failure) | dialing: Dialing.failed(state.dialing, name, now)}
    if aloud?, do: %{state | unreached: Unreached.warned(state.unreached, name)}, else: tell_quietly(state, name)
  end

  # Whoever says nothing runs another strategy. It may be back by now: to find out has taken as long as the slowest answer.
  def take_in(state, {:ask, _names}, {:asked, verdicts}, _now) do
    state = worked(state, :ask)
    if verdicts != [], do: Log.write(state.topology, {:debug, "ask: #{inspect(verdicts)}"})

    silent =
      for {name, :unknown} <- verdicts,
          is_map_key(state.membership.absent, name),
          not Topologies.held_by_others?(name),
          do: name

    if silent == [], do: state, else: State.start(state, {:disconnect, silent})
  end

  # Whoever is still connected, stays or failed to be disconnected stays an absent member, and is judged again.
  def take_in(state, {job, _names}, {:crashed, _text} = crash, _now) do
    crashed(state, job, "#{job}", crash)
  end

  def take_in(state, {job, _names}, result, _now) do
    unless result == :ok, do: tell(state, job, result)
    worked(state, job)
  end

  defp connect_failed(state, name, {:crashed, _text} = crash, true),
    do: crashed(state, :connect, "connecting to #{name}", crash)

  defp connect_failed(state, _name, {:crashed, _text}, false), do: state
  defp connect_failed(state, _name, _failure, _first?), do: worked(state, :connect)

  # With its trace, but not again for each member and each try, until one of its kind does not crash.
  defp crashed(state, job, what, crash) do
    if job in state.crashing, do: tell(state, what, crash), else: Log.crash(state.topology, what, crash)
    %{state | crashing: Enum.uniq([job | state.crashing])}
  end

  defp tell(state, job, result), do: Log.write(state.topology, {:debug, "#{job}: #{inspect(result)}"})

  defp worked(state, job), do: %{state | crashing: List.delete(state.crashing, job)}

  defp tell_quietly(state, name) do
    Log.write(state.topology, {:debug, "#{name} cannot be connected to yet, and is tried again"})
    state
  end

  defp say_if_full(%{full?: false} = state, {:error, :atom_table_half_full}) do
    Log.atom_table_half_full(state.topology)
    %{state | full?: true}
  end

  defp say_if_full(state, _failure), do: state
end
