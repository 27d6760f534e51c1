defmodule Cluster.Strategy do
  @moduledoc """
  The behaviour of a clustering strategy, and the two functions with which strategies change the cluster.

  ## Telemetry

  | event | measurements | metadata |
  |---|---|---|
  | `[:libcluster, :connect_node, :ok]` | `duration` | `node`, `topology` |
  | `[:libcluster, :connect_node, :error]` | | `node`, `topology`, `reason` |
  | `[:libcluster, :disconnect_node, :ok]` | `duration` | `node`, `topology` |
  | `[:libcluster, :disconnect_node, :error]` | | `node`, `topology`, `reason` |

  `duration` is in native time units.
  """

  alias Cluster.Logger

  @type topology :: atom
  @type bad_nodes :: [{node, reason :: term}]
  @type mfa_tuple :: {module, atom, [term]}
  @type strategy_args :: [Cluster.Strategy.State.t()]

  @callback child_spec(strategy_args) :: Supervisor.child_spec()
  @callback start_link(strategy_args) :: {:ok, pid} | :ignore | {:error, reason :: term}

  defmacro __using__(_options) do
    quote do
      @behaviour Cluster.Strategy

      @impl Cluster.Strategy
      def child_spec(args) do
        %{id: __MODULE__, start: {__MODULE__, :start_link, [args]}, type: :worker}
      end

      defoverridable child_spec: 1
    end
  end

  @doc """
  Connects to those of `nodes` that `list_nodes` does not name, this node excepted.

  `connect` answers `true`, `false` (unreachable) or `:ignored` (this node is not alive). Each failure is a warning in
  the log and an entry of the returned list.
  """
  @spec connect_nodes(topology, mfa_tuple, mfa_tuple, [node]) :: :ok | {:error, bad_nodes}
  def connect_nodes(topology, {_, _, _} = connect, {_, _, _} = list_nodes, nodes)
      when is_list(nodes) do
    connected = call!(list_nodes, [])

    for node <- nodes, node != node(), node not in connected do
      {duration, result} = timed_call!(connect, node)
      report(:connect_node, topology, node, duration, connect_outcome(result, node))
      {node, result}
    end
    |> failures([true])
  end

  @doc """
  Disconnects from those of `nodes` that `list_nodes` names, this node excepted.

  `disconnect` answers `true`, `false` (there was no connection), `:ignored` (this node is not alive) or any other term,
  the reason of a failure. All but `true` are a warning in the log; only the last is an entry of the returned list.
  """
  @spec disconnect_nodes(topology, mfa_tuple, mfa_tuple, [node]) :: :ok | {:error, bad_nodes}
  def disconnect_nodes(topology, {_, _, _} = disconnect, {_, _, _} = list_nodes, nodes)
      when is_list(nodes) do
    connected = call!(list_nodes, [])

    for node <- nodes, node != node(), node in connected do
      {duration, result} = timed_call!(disconnect, node)
      report(:disconnect_node, topology, node, duration, disconnect_outcome(result, node))
      {node, result}
    end
    |> failures([true, false, :ignored])
  end

  # An outcome is {:ok, log text} or {:error, telemetry reason, log text}.

  defp connect_outcome(true, node), do: {:ok, "connected to #{inspect(node)}"}

  defp connect_outcome(false, node) do
    {:error, :unreachable, "unable to connect to #{inspect(node)}"}
  end

  defp connect_outcome(:ignored, node) do
    {:error, :not_part_of_network, "unable to connect to #{inspect(node)}: not part of network"}
  end

  defp disconnect_outcome(true, node), do: {:ok, "disconnected from #{inspect(node)}"}

  defp disconnect_outcome(other, node) do
    {reason, why} =
      case other do
        false -> {:already_disconnected, "because we're already disconnected"}
        :ignored -> {:not_part_of_network, "because it is not part of the network"}
        _ -> {inspect(other), "with: #{inspect(other)}"}
      end

    {:error, reason, "disconnect from #{inspect(node)} failed #{why}"}
  end

  defp report(action, topology, node, duration, {:ok, text}) do
    :telemetry.execute(
      [:libcluster, action, :ok],
      %{duration: duration},
      %{node: node, topology: topology}
    )

    Logger.info(topology, text)
  end

  defp report(action, topology, node, _duration, {:error, reason, text}) do
    :telemetry.execute(
      [:libcluster, action, :error],
      %{},
      %{node: node, topology: topology, reason: reason}
    )

    Logger.warn(topology, text)
  end

  defp failures(results, harmless) do
    case Enum.reject(results, fn {_node, result} -> result in harmless end) do
      [] -> :ok
      bad_nodes -> {:error, bad_nodes}
    end
  end

  defp timed_call!(mfa, node) do
    started = System.monotonic_time()
    result = call!(mfa, [node])
    {System.monotonic_time() - started, result}
  end

  # Does not load the module first: as with the real one, the caller has to.
  defp call!({module, function, args}, more) do
    args = args ++ more

    unless function_exported?(module, function, length(args)) do
      raise "#{module}.#{function}/#{length(args)} is undefined!"
    end

    apply(module, function, args)
  end
end
