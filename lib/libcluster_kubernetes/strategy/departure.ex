defmodule LibclusterKubernetes.Strategy.Departure do
  @moduledoc false
  # How a live node that is gone from the answers leaves without cost to the others.
  #
  # An explicit disconnect makes `global` (`prevent_overlapping_partitions`, OTP 25) cut links between nodes that are
  # members. A node that leaves by itself, with `:global.disconnect/0`, costs none. It does so when it sees itself gone;
  # but it may not see that: its own view of the API is broken, it was named for less than one of its polls, or its
  # strategy has restarted meanwhile. So it is asked first, and disconnected only where nobody there can answer.
  #
  #     the node that asks                      the node that is gone
  #     ask/3 ── topology ────────────────────▶ this process
  #                                             its own healthy view names it, or another topology there holds nodes:
  #                                               it stays, and so does the link
  #     :left, :stays or :unknown ◀──────────── else it leaves everybody, until it is named again
  #
  # All of it is sent without connecting (as a call would): who has left meanwhile is not to be fetched back.
  use GenServer

  alias LibclusterKubernetes.Strategy.Topologies

  @type verdict :: :left | :stays | :unknown

  def start_link(_opts), do: GenServer.start_link(__MODULE__, nil, name: __MODULE__)

  @doc "Asks these nodes to leave. `:unknown` are those that do not answer: they do not run this package, or are stuck."
  @spec ask([node()], atom(), timeout :: pos_integer()) :: [{node(), verdict()}]
  def ask(nodes, topology, timeout \\ 5_000) do
    ref = make_ref()
    sent = Map.new(nodes, &{&1, send_connected({__MODULE__, &1}, {:asked, topology, self(), ref})})
    deadline = System.monotonic_time(:millisecond) + timeout
    awaited = for {node, :ok} <- sent, into: MapSet.new(), do: node
    answers = await(awaited, ref, deadline, Map.new(sent, fn {node, _} -> {node, :left} end))
    Enum.map(nodes, &{&1, Map.fetch!(answers, &1)})
  end

  defp await(awaited, ref, deadline, answers) do
    if Enum.empty?(awaited) do
      answers
    else
      receive do
        {^ref, node, verdict} ->
          await(MapSet.delete(awaited, node), ref, deadline, Map.put(answers, node, verdict))
      after
        max(deadline - System.monotonic_time(:millisecond), 0) ->
          Enum.reduce(awaited, answers, &Map.put(&2, &1, :unknown))
      end
    end
  end

  @impl GenServer
  def init(nil), do: {:ok, nil}

  # The topologies are asked by a process of its own, so that one that is busy holds up no other answer.
  @impl GenServer
  def handle_info({:asked, topology, asking, ref}, state) do
    spawn(fn -> send_connected(asking, {ref, node(), verdict(topology)}) end)
    {:noreply, state}
  end

  def handle_info(_other, state), do: {:noreply, state}

  defp verdict(topology) do
    {own, others} = Enum.split_with(Topologies.all(), fn {_pid, entry} -> entry.topology == topology end)

    cond do
      own == [] -> :unknown
      Topologies.stay?(for {_pid, entry} <- others, do: entry) -> :stays
      true -> own |> Enum.map(fn {pid, _} -> GenServer.call(pid, :leave_unless_member) end) |> Enum.min_by(&rank/1)
    end
  end

  defp rank(:stays), do: 0
  defp rank(:left), do: 1

  defp send_connected(to, message), do: :erlang.send(to, message, [:noconnect])
end
