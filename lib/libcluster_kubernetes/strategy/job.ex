defmodule LibclusterKubernetes.Strategy.Job do
  @moduledoc false
  # What a topology does to connections, each in a task of its own, because each can take as long as a dead node takes.

  alias Cluster.Strategy.State
  alias LibclusterKubernetes.Options
  alias LibclusterKubernetes.Strategy.{Departure, Log, NodeName}

  @default_disconnect {:erlang, :disconnect_node, []}

  @type name :: String.t()
  @type t :: {:connect, name()} | {:ask | :leave | :disconnect, [name()]}
  @type result :: :ok | {:error, term()} | {:crashed, String.t()}

  @doc "Starts it. The task is linked, so that it ends with its topology, and catches, so that it cannot end it."
  @spec start(t(), State.t(), Options.t()) :: Task.t()
  def start(job, topology, options) do
    Task.async(fn ->
      try do
        perform(job, topology, options)
      catch
        kind, reason -> {:crashed, Exception.format(kind, reason, __STACKTRACE__)}
      end
    end)
  end

  @doc "Whom `connect_nodes/4` is not to dial: who is connected was asked for once, for all who are dialled in a round."
  @spec nobody() :: []
  def nobody, do: []

  defp perform({:connect, name}, topology, _options) do
    with {:ok, node} <- NodeName.to_node(name),
         do: Cluster.Strategy.connect_nodes(topology.topology, topology.connect, {__MODULE__, :nobody, []}, [node])
  end

  defp perform({:disconnect, names}, topology, _options), do: disconnect(topology, to_nodes(names))

  # Where somebody disconnects in a way of their own, nobody can leave in OTP's.
  defp perform({:ask, names}, %{disconnect: disconnect} = topology, _options) when disconnect != @default_disconnect do
    disconnect(topology, to_nodes(names))
  end

  defp perform({:ask, names}, topology, options) do
    verdicts = names |> to_nodes() |> Departure.ask(topology.topology)
    for {node, :left} <- verdicts, do: Log.left(topology, node, options)
    result = disconnect(topology, for({node, :unknown} <- verdicts, do: node))

    case for {node, :stays} <- verdicts, do: {node, :stays} do
      [] -> result
      staying -> {:error, staying}
    end
  end

  defp perform({:leave, names}, topology, options) do
    Log.leaving(topology, names, options)
    nodes = to_nodes(names)

    if topology.disconnect == @default_disconnect do
      Departure.leave(nodes)
      Enum.each(nodes, &Log.disconnected(topology, &1))
    else
      disconnect(topology, nodes)
    end
  end

  defp to_nodes(names), do: Enum.map(names, &String.to_existing_atom/1)

  defp disconnect(topology, nodes) do
    Cluster.Strategy.disconnect_nodes(topology.topology, topology.disconnect, topology.list_nodes, nodes)
  end
end
