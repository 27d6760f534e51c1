defmodule LibclusterKubernetes.Strategy.Review do
  @moduledoc false
  # What the known members mean for the connections of this moment: whom to connect to, whom to let go of, and when to
  # look again. Nearly every review finds all as the last one left it.

  alias LibclusterKubernetes.Strategy.{
    Dialing,
    Incident,
    Jobs,
    Judging,
    Log,
    Membership,
    State,
    Topologies,
    Unreached,
    Waiters
  }

  @spec run(State.t(), now :: integer()) :: State.t()
  def run(state, now) do
    state = %{state | connections: State.connections(state)}
    if at_rest?(state), do: state, else: act(state, now)
  end

  @doc "A job has ended: whoever waits for room may have it."
  @spec go_on(State.t(), now :: integer()) :: State.t()
  def go_on(state, now) do
    if Dialing.refill?(state.dialing, now), do: run(state, now), else: schedule(state, now)
  end

  @doc "Sees to it that the process hears `:review` when something is due."
  @spec schedule(State.t(), now :: integer()) :: State.t()
  def schedule(state, now) do
    if state.review_timer, do: Process.cancel_timer(state.review_timer)
    times = [Membership.next_due(state.membership, now), Dialing.next_try(state.dialing, now)]
    %{state | review_timer: times |> Enum.reject(&is_nil/1) |> Enum.min(fn -> nil end) |> review_at(now)}
  end

  defp review_at(nil, _now), do: nil
  defp review_at(time, now), do: Process.send_after(self(), :review, time - now)

  defp act(state, now) do
    state = state |> meet() |> dial(now) |> tell(now) |> let_go(now) |> schedule(now)
    %{state | at_rest: if(nothing_to_do?(state), do: {state.connections, state.membership})}
  end

  defp at_rest?(state), do: state.at_rest == {state.connections, state.membership}

  defp nothing_to_do?(state) do
    state.jobs == %{} and Membership.nobody_absent?(state.membership) and Dialing.idle?(state.dialing)
  end

  defp meet(state) do
    %{names: connected, lost: lost} = state.connections
    State.change(state, &Membership.meet(&1, connected, lost, state.dialing.in_flight))
  end

  defp dial(%{membership: %{answered?: false}} = state, _now), do: state

  defp dial(state, now) do
    missing = Membership.missing(state.membership, Waiters.for_peers?(state.waiters))
    {due, dialing} = Dialing.due(state.dialing, missing, Membership.dialled_as(state.membership), now)
    Enum.reduce(due, %{state | dialing: dialing}, &connect(&2, &1, now))
  end

  defp connect(state, name, now) do
    aloud? = Unreached.aloud?(state.unreached, state.dialing, name, fn -> alone?(state) end, now)
    State.start(state, {:connect, name, aloud?})
  end

  # Who was said to be out of reach and is not, and who is, and why.
  defp tell(state, now) do
    {found, unreached} = Unreached.found(state.unreached, state.connections.names, state.dialing)
    Enum.each(found, &Log.found(state.topology, &1))
    unreached = Unreached.keep(unreached, state.dialing)
    {names, unreached} = Unreached.to_name(unreached, state.dialing, fn -> alone?(state) end, now)
    state = %{state | unreached: unreached}
    if names == [], do: state, else: State.start(state, {:explain, names})
  end

  # Whether this node is connected to no member.
  defp alone?(state), do: Enum.empty?(Membership.members(state.membership, state.connections.names))

  # What the stock strategy does: whoever is not in the answer is disconnected.
  defp let_go(%{membership: %{disconnect_after: 0}} = state, _now) do
    gone =
      for {name, _} <- state.membership.absent, name != state.membership.self, name in state.connections.names, do: name

    case Enum.reject(gone, &Topologies.held_by_others?/1) do
      [] -> state
      names -> if Jobs.letting_go?(state.jobs), do: state, else: State.start(state, {:disconnect, names})
    end
  end

  # While the API fails, nobody is known to be gone. And one thing at a time: a leave or disconnect that runs changes
  # what the next would see.
  defp let_go(state, now) do
    busy? = state.judging != nil or Jobs.letting_go?(state.jobs) or Incident.lasts?(state.incident)

    if busy? or Membership.suspects(state.membership, state.connections.names, now) == [],
      do: state,
      else: Judging.begin(state, now)
  end
end
