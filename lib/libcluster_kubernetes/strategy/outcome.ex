defmodule LibclusterKubernetes.Strategy.Outcome do
  @moduledoc false
  # What it means how a job ended.

  alias LibclusterKubernetes.Strategy.{Dialing, Job, Log, State}

  @spec take_in(State.t(), Job.t(), Job.result(), now :: integer()) :: State.t()
  def take_in(state, {:connect, name}, :ok, _now), do: %{state | dialing: Dialing.connected(state.dialing, name)}

  def take_in(state, {:connect, name}, failure, now) do
    Log.crash(state.topology, "connecting to #{name}", failure)
    %{say_if_full(state, failure) | dialing: Dialing.failed(state.dialing, name, now)}
  end

  # Whoever is still connected, stays or failed to be disconnected stays an absent member, and is judged again.
  def take_in(state, {job, _names}, result, _now) do
    Log.crash(state.topology, "#{job}", result)
    unless result == :ok, do: Log.write(state.topology, {:debug, "#{job}: #{inspect(result)}"})
    state
  end

  defp say_if_full(%{full?: false} = state, {:error, :atom_table_half_full}) do
    Log.atom_table_half_full(state.topology)
    %{state | full?: true}
  end

  defp say_if_full(state, _failure), do: state
end
