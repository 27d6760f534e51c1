defmodule LibclusterKubernetes.Strategy.Review do
  @moduledoc false
  # What the known members mean for the connections of this moment: whom to connect to, whom to let go of, and when to
  # look again. Nearly every review finds all as the last one left it.

  alias LibclusterKubernetes.Strategy.{Dialing, Incident, Jobs, Membership, State, Topologies}

  @spec run(State.t(), now :: integer()) :: State.t()
  def run(state, now) do
    state = %{state | connections: State.connections(state)}
    if at_rest?(state), do: state, else: act(state, now)
  end

  @doc "Sees to it that the process hears `:review` when something is due."
  @spec schedule(State.t(), now :: integer()) :: State.t()
  def schedule(state, now) do
    if state.review_timer, do: Process.cancel_timer(state.review_timer)
    times = [Membership.next_deadline(state.membership, now), Dialing.next_retry(state.dialing, now)]
    %{state | review_timer: times |> Enum.reject(&is_nil/1) |> Enum.min(fn -> nil end) |> review_at(now)}
  end

  defp review_at(nil, _now), do: nil
  defp review_at(time, now), do: Process.send_after(self(), :review, time - now)

  defp act(state, now) do
    state = state |> dial(now) |> let_go() |> schedule(now)
    %{state | at_rest: if(nothing_to_do?(state), do: {state.connections, state.membership})}
  end

  defp at_rest?(%{at_rest: nil}), do: false

  defp at_rest?(%{at_rest: {connections, membership}} = state) do
    state.connections == connections and Membership.same?(state.membership, membership)
  end

  defp nothing_to_do?(state) do
    state.jobs == %{} and Membership.nobody_absent?(state.membership) and Dialing.idle?(state.dialing)
  end

  defp dial(state, now) do
    missing = state.membership |> Membership.wanted() |> MapSet.difference(state.connections.names) |> MapSet.to_list()
    {due, dialing} = Dialing.due(state.dialing, missing, now)
    Enum.reduce(due, %{state | dialing: dialing}, &State.start(&2, {:connect, &1}))
  end

  # While the API fails, nobody is known to be gone. And one thing at a time: a leave or disconnect that runs changes
  # what the next would see.
  defp let_go(state) do
    cond do
      Incident.lasts?(state.incident) -> state
      Jobs.letting_go?(state.jobs) -> state
      Membership.leave?(state.membership) -> leave(state)
      true -> disconnect_departed(state)
    end
  end

  defp leave(%{membership: membership} = state) do
    members = membership.present |> MapSet.delete(membership.self) |> MapSet.intersection(state.connections.names)

    if Topologies.stay?(Topologies.others()) or Enum.empty?(members),
      do: state,
      else: State.start(state, {:leave, MapSet.to_list(members)})
  end

  defp disconnect_departed(state) do
    departed = MapSet.new(Membership.departed(state.membership))
    held = if Enum.empty?(departed), do: departed, else: Topologies.held_by_others()
    names = departed |> MapSet.intersection(state.connections.names) |> MapSet.difference(held)
    # A connect that still runs may yet succeed.
    forgotten = departed |> MapSet.difference(names) |> MapSet.difference(state.dialing.in_flight) |> MapSet.to_list()
    state = State.forget(state, forgotten)
    if Enum.empty?(names), do: state, else: State.start(state, {:disconnect, MapSet.to_list(names)})
  end
end
