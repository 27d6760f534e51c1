defmodule LibclusterKubernetes.Strategy.Departure do
  @moduledoc false
  # How a live node that is gone from the answers leaves without cost to the others.
  #
  # An explicit disconnect makes `global` (`prevent_overlapping_partitions`, OTP 25) cut links between nodes that are
  # members. A node that leaves by itself, with `:global.disconnect/0`, costs none. So whoever is gone is asked to, and
  # judges by itself, with a list of its own: the view of the one who asks may be wrong.
  #
  #     the node that asks                      the node that seems gone
  #     ask/3 ── topology ────────────────────▶ this process
  #     is there anybody? ◀──── :judging ──────   no topology runs there any more, as its application stops:
  #                                                 it leaves
  #                                               another topology there holds nodes:
  #                                                 it stays
  #     :left, :stays or :unknown ◀── verdict ─   else its topology judges
  #
  # Whoever says nothing at all runs another strategy, or is stuck: `:unknown`. All of it is sent without connecting (as a
  # call would): who has left meanwhile is not to be fetched back.
  use GenServer

  alias LibclusterKubernetes.Strategy.Topologies

  @type verdict :: :left | :stays | :unknown

  # Milliseconds to say anything, and to judge: more than any list takes that is worth waiting for.
  @to_answer 5_000
  @to_judge 60_000

  def start_link(_opts), do: GenServer.start_link(__MODULE__, nil, name: __MODULE__)

  @doc "Asks these nodes to leave, and waits for what they say."
  @spec ask([node()], topology :: atom(), keyword()) :: [{node(), verdict()}]
  def ask(nodes, topology, limits \\ []) do
    limits = Keyword.merge([to_answer: @to_answer, to_judge: @to_judge], limits)
    ref = make_ref()
    # Whoever is not connected any more has left.
    asked =
      for node <- nodes,
          into: %{},
          do: {node, sent(send_connected({__MODULE__, node}, {:asked, topology, self(), ref}))}

    silent = await(asked, ref, :asked, deadline(limits[:to_answer]))
    judged = await(silent, ref, :judging, deadline(limits[:to_judge]))
    Enum.map(nodes, &{&1, verdict(judged[&1])})
  end

  defp sent(:ok), do: :asked
  defp sent(_not_connected), do: :left

  defp verdict(:asked), do: :unknown
  # It is there, and has not said that it is gone.
  defp verdict(:judging), do: :stays
  defp verdict(verdict), do: verdict

  # Until nobody is in `state` any more, or the time is over.
  defp await(nodes, ref, state, deadline) do
    if Enum.any?(nodes, fn {_node, its} -> its == state end) do
      receive do
        {^ref, node, answer} -> await(%{nodes | node => answer}, ref, state, deadline)
      after
        max(deadline - System.monotonic_time(:millisecond), 0) -> nodes
      end
    else
      nodes
    end
  end

  defp deadline(milliseconds), do: System.monotonic_time(:millisecond) + milliseconds

  @doc "Leaves the cluster that `global` knows, and then explicitly whoever of `others` it does not know: hidden nodes."
  @spec leave([node()]) :: :ok
  def leave(others) do
    # OTP 25.1. By apply: older ones do not have it.
    if function_exported?(:global, :disconnect, 0), do: apply(:global, :disconnect, [])
    connected = Node.list(:connected)
    for node <- others, node in connected, do: :erlang.disconnect_node(node)
    :ok
  end

  @impl GenServer
  def init(nil), do: {:ok, nil}

  # A topology judges for as long as a list takes: that holds up no other answer.
  @impl GenServer
  def handle_info({:asked, topology, asking, ref}, state) do
    answer = fn answer -> send_connected(asking, {ref, node(), answer}) end
    answer.(:judging)
    spawn(fn -> judge(topology, node(asking), answer) end)
    {:noreply, state}
  end

  def handle_info(_other, state), do: {:noreply, state}

  defp judge(topology, asking, answer) do
    {own, others} = Enum.split_with(Topologies.all(), fn {_pid, its} -> its.topology == topology end)

    cond do
      Topologies.stay?(for {_pid, its} <- others, do: its) ->
        answer.(:stays)

      own == [] ->
        # It cannot be said any more once it has left.
        answer.(:left)
        leave([asking])

      true ->
        for {pid, _its} <- own, do: send(pid, {:asked_to_leave, answer})
    end
  end

  defp send_connected(to, message), do: :erlang.send(to, message, [:noconnect])
end
