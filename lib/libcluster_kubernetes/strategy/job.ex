defmodule LibclusterKubernetes.Strategy.Job do
  @moduledoc false
  # What a topology does to connections, each in a task of its own, because each can take as long as a dead node takes.

  alias Cluster.Logger
  alias Cluster.Strategy.State
  alias LibclusterKubernetes.Options
  alias LibclusterKubernetes.Strategy.{Departure, NodeName}

  @default_disconnect {:erlang, :disconnect_node, []}

  @type name :: String.t()
  @type t :: {:connect, name()} | {:disconnect, [name()]} | {:leave, [name()]}
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

  defp perform({:connect, name}, topology, _options) do
    with {:ok, node} <- NodeName.to_node(name),
         do: Cluster.Strategy.connect_nodes(topology.topology, topology.connect, topology.list_nodes, [node])
  end

  defp perform({:disconnect, names}, %{disconnect: @default_disconnect} = topology, _options) do
    verdicts = names |> Enum.map(&String.to_existing_atom/1) |> Departure.ask(topology.topology)
    result = disconnect(topology, for({node, :unknown} <- verdicts, do: node))

    case for {node, :stays} <- verdicts, do: {node, :stays} do
      [] -> result
      staying -> {:error, staying}
    end
  end

  defp perform({:disconnect, names}, topology, _options) do
    disconnect(topology, Enum.map(names, &String.to_existing_atom/1))
  end

  defp perform({:leave, names}, topology, options) do
    Logger.warn(topology.topology, leaving(names, options))

    if topology.disconnect == @default_disconnect and function_exported?(:global, :disconnect, 0) do
      # By apply: OTP 24 does not have it.
      apply(:global, :disconnect, [])
      :ok
    else
      disconnect(topology, Enum.map(names, &String.to_existing_atom/1))
    end
  end

  defp disconnect(topology, nodes) do
    Cluster.Strategy.disconnect_nodes(topology.topology, topology.disconnect, topology.list_nodes, nodes)
  end

  defp leaving(names, options) do
    "this node, or the others that see it, has found it absent from the answers for " <>
      "#{options.values.kubernetes_disconnect_after} ms: it leaves the cluster (#{length(names)} nodes) and connects " <>
      "to nobody until it is back"
  end
end
