defmodule LibclusterKubernetes.Strategy.Departure do
  @moduledoc false
  # How a live node that is gone from the answers leaves without cost to the others.
  #
  # An explicit disconnect makes `global` (`prevent_overlapping_partitions`, OTP 25) cut links between nodes that are
  # members. A node that leaves by itself, with `:global.disconnect/0`, costs none. So whoever is gone is asked to, and
  # judges by itself, with a list of its own: the view of the one who asks may be wrong.
  #
  #     the node that asks                      the node that seems gone
  #     ask/3 ── topology ────────────────────▶ this process, which has one for each question
  #     is there anybody? ◀──── :judging ──────   no topology runs there any more, as its application stops:
  #                                                 it leaves
  #                                               another topology there holds nodes:
  #                                                 it stays
  #     :left or :stays ◀────── verdict ───────   else its topology judges
  #
  # Whoever says nothing at all runs another strategy, or stands still: `:unknown`. Whose connection is closed, at first or meanwhile, is
  # `:gone`. All of it is sent without connecting (as a call would): who has left meanwhile is not to be fetched back. And
  # nobody waits for a connection that takes no more, but the process of that one question.
  use GenServer

  alias Cluster.Logger
  alias LibclusterKubernetes.Strategy.Topologies

  @type verdict :: :left | :stays | :gone | :unknown
  @typedoc "Who asked, and how it is told the verdict. Never waits."
  @type asker :: {node(), (:left | :stays -> term())}

  # Milliseconds to say anything, and to judge: more than any list takes that is worth waiting for.
  @to_answer 5_000
  @to_judge 60_000

  def start_link(_opts), do: GenServer.start_link(__MODULE__, nil, name: __MODULE__)

  @doc "Asks these nodes to leave, and waits for what they say."
  @spec ask([node()], topology :: atom(), keyword()) :: [{node(), verdict()}]
  def ask(nodes, topology, limits \\ []) do
    limits = Keyword.merge([to_answer: @to_answer, to_judge: @to_judge], limits)
    ref = make_ref()
    :net_kernel.monitor_nodes(true, node_type: :all)
    asked = for node <- nodes, into: %{}, do: {node, ask_one(node, {:asked, topology, self(), ref})}
    silent = await(asked, ref, :asked, deadline(limits[:to_answer]))
    judged = await(silent, ref, :judging, deadline(limits[:to_judge]))
    Enum.map(nodes, &{&1, verdict(judged[&1])})
  end

  defp ask_one(node, question) do
    case :erlang.send({__MODULE__, node}, question, [:noconnect, :nosuspend]) do
      :ok -> :asked
      :noconnect -> :gone
      # It may be there, and takes nothing at this moment.
      :nosuspend -> :stays
    end
  end

  defp verdict(:asked), do: :unknown
  # It is there, and has not said that it is gone.
  defp verdict(:judging), do: :stays
  defp verdict(verdict), do: verdict

  # Until nobody is in `state` any more, or the time is over.
  defp await(nodes, ref, state, deadline) do
    if Enum.any?(nodes, fn {_node, its} -> its == state end) do
      receive do
        {^ref, node, answer} -> await(%{nodes | node => answer}, ref, state, deadline)
        {:nodedown, node, _info} -> await(gone(nodes, node), ref, state, deadline)
      after
        max(deadline - System.monotonic_time(:millisecond), 0) -> nodes
      end
    else
      nodes
    end
  end

  # It may have said so before.
  defp gone(nodes, node) do
    case nodes do
      %{^node => waited_for} when waited_for in [:asked, :judging] -> %{nodes | node => :gone}
      _ -> nodes
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

  @impl GenServer
  def handle_info({:asked, topology, asking, ref}, state) do
    spawn(fn -> judge(topology, node(asking), &:erlang.send(asking, {ref, node(), &1}, [:noconnect])) end)
    {:noreply, state}
  end

  def handle_info(_other, state), do: {:noreply, state}

  defp judge(topology, asking, answer) do
    answer.(:judging)
    {own, others} = Enum.split_with(Topologies.all(), fn {_pid, its} -> its.topology == topology end)

    cond do
      Topologies.stay?(for {_pid, its} <- others, do: its) ->
        answer.(:stays)

      own == [] ->
        Logger.warn(
          topology,
          "#{asking} no longer finds this node in its answers and asks it to leave. No topology runs here that would judge " <>
            "that: this node leaves the cluster (#{length(Node.list(:connected))} nodes)"
        )

        # It cannot be said any more once it has left.
        answer.(:left)
        leave([asking])

      true ->
        this = self()
        for {pid, _its} <- own, do: send(pid, {:asked_to_leave, {asking, &send(this, {:verdict, &1})}})
        answer.(verdict_of_topology())
    end
  end

  # Nobody answers where its process ends meanwhile.
  defp verdict_of_topology do
    receive do
      {:verdict, verdict} -> verdict
    after
      @to_judge -> :stays
    end
  end
end
