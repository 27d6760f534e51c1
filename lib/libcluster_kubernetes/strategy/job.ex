defmodule LibclusterKubernetes.Strategy.Job do
  @moduledoc false
  # What a topology does to connections, each in a task of its own, because each can take as long as a dead node takes.

  alias Cluster.Strategy.State
  alias LibclusterKubernetes.Options
  alias LibclusterKubernetes.Strategy.{Departure, Log, NodeName}

  @default_connect {:net_kernel, :connect_node, []}
  @default_disconnect {:erlang, :disconnect_node, []}

  @type name :: String.t()
  @typedoc "A failure to connect is said by libcluster where `aloud?`. `:explain` finds out why these cannot be connected to."
  @type t :: {:connect, name(), aloud? :: boolean()} | {:ask | :leave | :disconnect | :explain, [name()]}
  @type result :: :ok | {:asked, [{name(), :stays | :unknown}]} | {:error, term()} | {:crashed, String.t()}

  @typedoc "Those of a topology that run, by the references of their tasks."
  @type running :: %{reference() => t()}

  @doc "Starts it. The task is linked, so that it ends with its topology, and catches, so that it cannot end it."
  @spec start(running(), t(), State.t(), Options.t()) :: running()
  def start(running, job, topology, options) do
    task =
      Task.async(fn ->
        try do
          perform(job, topology, options)
        catch
          kind, reason -> {:crashed, Exception.format(kind, reason, __STACKTRACE__)}
        end
      end)

    Map.put(running, task.ref, job)
  end

  @doc "Which one ended, and those that still run."
  @spec ended(running(), reference()) :: {t(), running()}
  def ended(running, task) do
    Process.demonitor(task, [:flush])
    Map.pop!(running, task)
  end

  @doc "Whether one of these kinds runs."
  @spec runs?(running(), [atom()]) :: boolean()
  def runs?(running, kinds), do: Enum.any?(running, fn {_task, job} -> elem(job, 0) in kinds end)

  @doc "Whom `connect_nodes/4` is not to dial: who is connected was asked for once, for all who are dialled in a round."
  @spec nobody() :: []
  def nobody, do: []

  @doc """
  The `connect` of a topology, after which this process logs nothing where it fails: libcluster has a warning for that, which is
  not always due.
  """
  @spec connect_quietly({module(), atom(), [term()]}, node()) :: boolean() | :ignored
  def connect_quietly({module, function, args}, node) do
    result = apply(module, function, args ++ [node])
    if result != true, do: log_nothing()
    result
  end

  # Elixir 1.15
  if function_exported?(Logger, :put_process_level, 2),
    do: defp(log_nothing, do: Logger.put_process_level(self(), :none)),
    else: defp(log_nothing, do: Logger.disable(self()))

  @doc "What finds out the likeliest reason why nodes cannot be connected to."
  @spec explain_by({module(), atom(), []}) :: :ok
  def explain_by(mfa), do: Application.put_env(:libcluster_kubernetes, :explain_by, mfa)

  defp perform({:connect, name, aloud?}, topology, _options) do
    connect = if aloud?, do: topology.connect, else: {__MODULE__, :connect_quietly, [topology.connect]}

    with {:ok, node} <- NodeName.to_node(name),
         do: Cluster.Strategy.connect_nodes(topology.topology, connect, {__MODULE__, :nobody, []}, [node])
  end

  # Where somebody connects in a way of their own, the distribution has no say.
  defp perform({:explain, names}, topology, _options) do
    {module, function, []} = Application.fetch_env!(:libcluster_kubernetes, :explain_by)
    reason = if topology.connect == @default_connect, do: apply(module, function, [names])
    Log.unreached(topology, names, reason)
  end

  defp perform({:disconnect, names}, topology, _options), do: disconnect(topology, to_nodes(names))

  # Where somebody disconnects in a way of their own, nobody can leave in OTP's.
  defp perform({:ask, names}, %{disconnect: disconnect} = topology, _options) when disconnect != @default_disconnect do
    disconnect(topology, to_nodes(names))
  end

  defp perform({:ask, names}, topology, options) do
    verdicts = names |> to_nodes() |> Departure.ask(topology.topology)
    for {node, :left} <- verdicts, do: Log.left(topology, node, options)
    for {node, :gone} <- verdicts, do: Log.gone(topology, node)
    {:asked, for({node, verdict} <- verdicts, verdict in [:stays, :unknown], do: {Atom.to_string(node), verdict})}
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
