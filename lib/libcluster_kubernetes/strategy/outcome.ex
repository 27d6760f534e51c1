defmodule LibclusterKubernetes.Strategy.Outcome do
  @moduledoc false
  # What it means how a job ended.

  alias LibclusterKubernetes.Strategy.{Dialing, Job, Log, Membership, State}

  @spec take_in(State.t(), Job.t(), Job.result(), now :: integer()) :: State.t()
  def take_in(state, {:connect, name}, :ok, _now), do: %{state | dialing: Dialing.connected(state.dialing, name)}

  def take_in(state, {:connect, name}, failure, now) do
    Log.crash(state.topology, "connecting to #{name}", failure)
    %{say_if_full(state, failure) | dialing: Dialing.failed(state.dialing, name, now)}
  end

  def take_in(state, {:disconnect, names}, :ok, _now), do: State.forget(state, names)

  def take_in(state, {:leave, _names}, :ok, _now), do: %{state | membership: Membership.left(state.membership)}

  # Those that failed, or stay, stay absent members, and the next review tries again.
  def take_in(state, {job, _names}, failure, _now) do
    Log.crash(state.topology, "#{job}", failure)
    Log.write(state.topology, {:debug, "#{job}: #{inspect(failure)}"})
    state
  end

  defp say_if_full(%{full?: false} = state, {:error, :atom_table_half_full}) do
    Log.atom_table_half_full(state.topology)
    %{state | full?: true}
  end

  defp say_if_full(state, _failure), do: state
end
