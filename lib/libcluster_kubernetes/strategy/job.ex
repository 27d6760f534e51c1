defmodule LibclusterKubernetes.Strategy.Job do
  @moduledoc false
  # What a topology does to connections, each in a process of its own, because each can take as long as a dead node takes.

  alias Cluster.Strategy.State
  alias LibclusterKubernetes.Options
  alias LibclusterKubernetes.Strategy.{Departure, Log, NodeName}

  @default_connect {:net_kernel, :connect_node, []}
  @default_disconnect {:erlang, :disconnect_node, []}

  @type name :: String.t()
  @typedoc "A failure to connect is said by libcluster where `aloud?`. `:explain` finds out why these cannot be connected to."
  @type t :: {:connect, name(), aloud? :: boolean()} | {:ask | :leave | :disconnect | :explain, [name()]}
  @type result :: :ok | {:asked, [{name(), :stays | :unknown}]} | {:error, term()} | {:crashed, String.t()}

  @typedoc "Those of a topology that run, by their processes."
  @type running :: %{pid() => t()}

  @doc """
  Starts it. It is linked, so that it ends with its topology, which traps exits, and exits with its result: one message, where a
  `Task` costs as much again as libcluster's connecting does. What went well ends normally: whatever a `connect` of somebody's own
  has linked lives on.
  """
  @spec start(running(), t(), State.t(), Options.t()) :: running()
  def start(running, job, topology, options) do
    work = work(job, topology, options)
    Map.put(running, spawn_link(fn -> conclude(result(work)) end), job)
  end

  defp result(work) do
    work.()
  catch
    kind, reason -> {:crashed, Exception.format(kind, reason, __STACKTRACE__)}
  end

  @doc "Which one ended, with what result, and those that still run. Whoever was killed has none."
  @spec ended(running(), pid(), exit_reason :: term()) :: {t(), result(), running()}
  def ended(running, process, reason) do
    {job, running} = Map.pop!(running, process)
    {job, result_of(reason), running}
  end

  defp conclude(:ok), do: :ok
  defp conclude(result), do: exit({:shutdown, result})

  defp result_of(:normal), do: :ok
  defp result_of({:shutdown, result}), do: result
  defp result_of(reason), do: {:error, reason}

  @doc "Whether one of these kinds runs."
  @spec runs?(running(), [atom()]) :: boolean()
  def runs?(running, kinds), do: Enum.any?(running, fn {_process, job} -> elem(job, 0) in kinds end)

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

  # A thousand connect at once: each takes along only what it needs.
  defp work({:connect, name, aloud?}, %{topology: topology, connect: connect}, _options) do
    connect = if aloud?, do: connect, else: {__MODULE__, :connect_quietly, [connect]}

    fn ->
      with {:ok, node} <- NodeName.to_node(name),
           do: Cluster.Strategy.connect_nodes(topology, connect, {__MODULE__, :nobody, []}, [node])
    end
  end

  defp work(job, topology, options), do: fn -> perform(job, topology, options) end

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
