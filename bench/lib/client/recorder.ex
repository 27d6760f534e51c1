defmodule LibclusterKubernetes.Bench.Client.Recorder do
  @moduledoc """
  In place of distribution, the same for both strategies: every connect succeeds at once and is remembered with its
  time, and what was connected is connected. As cheap as the real `nodes/0` is.
  """

  @doc "The settings of a topology that lead here; it has a table of its own."
  def mfas(topology) do
    :ets.new(table(topology), [:named_table, :public, :set, read_concurrency: true])

    [
      connect: {__MODULE__, :connect, [topology]},
      disconnect: {__MODULE__, :disconnect, [topology]},
      list_nodes: {__MODULE__, :list_nodes, [topology]}
    ]
  end

  def connect(topology, node) do
    :ets.insert(table(topology), {node, System.os_time(:microsecond)})
    true
  end

  def disconnect(topology, node) do
    :ets.delete(table(topology), node)
    true
  end

  def list_nodes(topology), do: :ets.select(table(topology), [{{:"$1", :_}, [], [:"$1"]}])

  @doc "Waits until every topology has connected to so many nodes."
  def await_count(topologies, count, deadline_ms \\ 60_000) do
    await(deadline_ms, fn -> Enum.all?(topologies, &(:ets.info(table(&1), :size) >= count)) end)
  end

  @doc "Waits until a node is connected to, and answers when that was: microseconds of the system's clock."
  def await_connect(topology, name, deadline_ms \\ 100_000) do
    node = String.to_atom(name)
    await(deadline_ms, fn -> :ets.member(table(topology), node) end)
    :ets.lookup_element(table(topology), node, 2)
  end

  @doc "When the first and the last of the connects were: microseconds of the system's clock."
  def connects(topology), do: table(topology) |> :ets.tab2list() |> Enum.map(&elem(&1, 1)) |> Enum.min_max()

  defp await(left_ms, _condition) when left_ms < 0, do: raise("the connects that were waited for did not come")

  # Connects are looked up here, by their time, so that waiting costs the client next to nothing.
  defp await(left_ms, condition) do
    unless condition.() do
      Process.sleep(5)
      await(left_ms - 5, condition)
    end
  end

  defp table(topology), do: Module.concat(__MODULE__, topology)
end
