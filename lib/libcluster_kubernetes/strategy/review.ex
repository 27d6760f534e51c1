defmodule LibclusterKubernetes.Strategy.Review do
  @moduledoc false
  # What the known members mean for the connections of this moment: whom to connect to, whom to let go of, and when to
  # look again. Nearly every review finds all as the last one left it.

  alias LibclusterKubernetes.Strategy.{
    Dialing,
    Incident,
    Job,
    Judging,
    Log,
    Membership,
    State,
    Topologies,
    Unreached,
    Waiters
  }

  # Milliseconds between two reviews: a thousand members that are due at a thousand moments are no thousand reviews.
  @breath 10

  @spec run(State.t(), now :: integer()) :: State.t()
  def run(state, now) do
    state = look(state)
    if state.connections.crash, do: state, else: state |> answer_waiters() |> go_by(now)
  end

  # Where nobody knows who is connected, nothing is done. Said when that begins: each tick looks again.
  defp look(%{connections: before} = state) do
    connections = State.connections(state)
    if before.crash == nil, do: Log.crash(state.topology, "list_nodes", connections.crash)
    %{state | connections: connections}
  end

  defp go_by(state, now), do: if(at_rest?(state), do: state, else: act(state, now))

  @doc "This job has ended. Of a thousand that do, each costs the same; whoever waits for room may have it."
  @spec go_on(State.t(), Job.t(), now :: integer()) :: State.t()
  def go_on(state, {:connect, name, _aloud?}, now) do
    {due, dialing} = Dialing.refill(state.dialing, now)
    state = Enum.reduce(due, %{state | dialing: dialing}, &connect(&2, &1, now))
    if state.waiters == [], do: remind(state, Dialing.due_at(state.dialing, name), now), else: soon(state, now)
  end

  def go_on(state, _job, now), do: schedule(state, now)

  @doc "Somebody waits for what may have come. Of a thousand that come, few are looked at one by one."
  @spec soon(State.t(), now :: integer()) :: State.t()
  def soon(state, now), do: remind(state, now, now)

  @doc "Sees to it that the process hears `:review` when something is due."
  @spec schedule(State.t(), now :: integer()) :: State.t()
  def schedule(state, now) do
    times = [Membership.next_due(state.membership, now), Dialing.next_try(state.dialing, now)]
    state |> cancel() |> remind(times |> Enum.reject(&is_nil/1) |> Enum.min(fn -> nil end), now)
  end

  defp cancel(%{review_timer: nil} = state), do: state

  defp cancel(%{review_timer: {timer, _at}} = state) do
    Process.cancel_timer(timer)
    %{state | review_timer: nil}
  end

  # At that time, or earlier if that is to be anyway.
  defp remind(state, nil, _now), do: state
  defp remind(%{review_timer: {_timer, earlier}} = state, at, now) when earlier > now and earlier <= at, do: state

  defp remind(state, at, now) do
    at = max(at, now + @breath)
    %{cancel(state) | review_timer: {Process.send_after(self(), :review, at - now), at}}
  end

  defp act(state, now) do
    state = state |> meet() |> dial(now) |> tell(now) |> let_go(now) |> schedule(now)
    %{state | at_rest: if(nothing_to_do?(state), do: {state.connections, state.membership})}
  end

  defp at_rest?(state), do: state.at_rest == {state.connections, state.membership}

  defp nothing_to_do?(state) do
    state.jobs == %{} and Membership.nobody_absent?(state.membership) and Dialing.idle?(state.dialing)
  end

  defp answer_waiters(%{waiters: []} = state), do: state

  defp answer_waiters(%{connections: %{names: connected}} = state) do
    hidden = MapSet.new(Node.list(:hidden), &Atom.to_string/1)
    progress = Waiters.progress(state.membership, state.dialing, connected, hidden)
    %{state | waiters: Waiters.answer(state.waiters, progress)}
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
    found = Unreached.found(state.unreached, state.connections.names, state.dialing)
    Enum.each(found, &Log.found(state.topology, &1))
    unreached = Unreached.keep(state.unreached, state.dialing)
    {names, unreached} = Unreached.to_name(unreached, state.dialing, fn -> alone?(state) end, now)
    state = %{state | unreached: unreached}
    if names == [], do: state, else: State.start(state, {:explain, names})
  end

  # Whether this node is connected to no member.
  defp alone?(state), do: Enum.empty?(Membership.members(state.membership, state.connections.names))

  # Judged, so that libcluster alone says that they are disconnected.
  defp disconnect(state, names, now) do
    state |> State.change(&Membership.postpone(&1, names, now)) |> State.start({:disconnect, names})
  end

  # What the stock strategy does: whoever is not in the answer is disconnected.
  defp let_go(%{membership: %{disconnect_after: 0}} = state, now) do
    gone = Membership.suspects(state.membership, state.connections.names, now) -- [state.membership.self]

    case Topologies.let_go(state.held, gone) do
      [] -> state
      names -> if letting_go?(state), do: state, else: disconnect(state, names, now)
    end
  end

  # While the API fails, nobody is known to be gone. And one thing at a time: a leave or disconnect that runs changes
  # what the next would see.
  defp let_go(state, now) do
    busy? = state.judging != nil or letting_go?(state) or Incident.lasts?(state.incident)

    if busy? or Membership.suspects(state.membership, state.connections.names, now) == [],
      do: state,
      else: Judging.begin(state, now)
  end

  defp letting_go?(state), do: Job.runs?(state.jobs, [:ask, :disconnect, :leave])
end
