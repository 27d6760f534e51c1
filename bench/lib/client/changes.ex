defmodule LibclusterKubernetes.Bench.Client.Changes do
  @moduledoc """
  What one change costs in the process of a topology of ours: this process handles its messages, with the state of one that
  runs. The list of connected nodes is at hand: what `nodes/0` takes is not in it.
  """

  alias LibclusterKubernetes.Bench.Client.Subject
  alias LibclusterKubernetes.Strategy
  alias LibclusterKubernetes.Strategy.{Membership, Topologies}

  @doc """
  So many times a member comes, is connected, and goes. How long the process works for each of these two changes, with
  the end of the connect that follows, in nanoseconds.
  """
  @spec measure(pos_integer()) :: [pos_integer()]
  def measure(times) do
    # As the process of a topology does: jobs end by exits.
    Process.flag(:trap_exit, true)
    {:ours, [pid]} = Subject.running()
    state = :sys.get_state(pid)
    {module, function, args} = state.topology.list_nodes
    connected(apply(module, function, args))
    topology = %{state.topology | list_nodes: {Process, :get, [__MODULE__]}, connect: {__MODULE__, :connect, []}}
    held = Topologies.enter(topology.topology)
    :ok = Topologies.hold(held, Map.keys(state.membership.present))
    {_time, state} = handle(:tick, %{state | topology: topology, held: held})
    {times, _state} = Enum.flat_map_reduce(1..times, state, &come_and_go/2)
    times
  end

  @doc false
  def connect(_node), do: true

  defp come_and_go(number, state) do
    nodes = Process.get(__MODULE__)
    # Nobody else has it.
    name = "app@10.251.#{div(number, 250)}.#{rem(number, 250)}"
    members = Membership.size(state.membership)

    {came, state} = handle(change(state, members + 1, [], [name]), state)
    connected([String.to_atom(name) | nodes])
    {_tick, state} = handle(:tick, state)
    {gone, state} = handle(change(state, members, [name], []), state)
    connected(nodes)
    {_tick, state} = handle(:tick, state)

    {[came, gone], state}
  end

  defp connected(nodes), do: Process.put(__MODULE__, nodes)

  defp change(state, members, gone, ready) do
    news = %{ready: ready, not_ready: [], draining: []}
    news = Map.merge(news, %{dropped: [], warnings: [], resource_version: "1", truncated: false})
    {:libcluster_kubernetes, state.ref, {:changed, {state.changes + 1, members}, gone, news}}
  end

  # And the end of each job that follows from it.
  defp handle(message, state) do
    began = System.monotonic_time(:nanosecond)
    {:noreply, state} = Strategy.handle_info(message, state)
    time = System.monotonic_time(:nanosecond) - began
    if state.jobs == %{}, do: {time, state}, else: add(time, handle(next_end(state.jobs), state))
  end

  defp add(time, {more, state}), do: {time + more, state}

  defp next_end(jobs) do
    receive do
      {:EXIT, job, _result} = message when is_map_key(jobs, job) -> message
    end
  end
end
