defmodule LibclusterKubernetes.Test.Recorder do
  @moduledoc """
  `connect`, `disconnect` and `list_nodes` of a topology that tell the test what they were asked, and remember who would
  be connected. Nodes added to `unreachable` cannot be connected to.
  """
  use Agent

  def start_link(test \\ self()) do
    Agent.start_link(fn -> %{test: test, connected: MapSet.new(), unreachable: MapSet.new()} end)
  end

  @doc "The part of a `Cluster.Strategy.State` that leads here."
  def mfas(recorder) do
    [
      connect: {__MODULE__, :connect, [recorder]},
      disconnect: {__MODULE__, :disconnect, [recorder]},
      list_nodes: {__MODULE__, :list_nodes, [recorder]}
    ]
  end

  def connect(recorder, node) do
    Agent.get_and_update(recorder, fn state ->
      reachable? = node not in state.unreachable
      send(state.test, {:connect, node, reachable?})
      connected = if reachable?, do: MapSet.put(state.connected, node), else: state.connected
      {reachable?, %{state | connected: connected}}
    end)
  end

  def disconnect(recorder, node) do
    Agent.get_and_update(recorder, fn state ->
      send(state.test, {:disconnect, node})
      {node in state.connected, %{state | connected: MapSet.delete(state.connected, node)}}
    end)
  end

  def list_nodes(recorder), do: Agent.get(recorder, &MapSet.to_list(&1.connected))

  def unreachable(recorder, nodes) do
    Agent.update(recorder, &%{&1 | unreachable: MapSet.new(nodes)})
  end

  @doc "The connection is lost, and nobody asked for it."
  def lose(recorder, node), do: Agent.update(recorder, &%{&1 | connected: MapSet.delete(&1.connected, node)})
end
