defmodule LibclusterKubernetes.Strategy.Topologies do
  @moduledoc false
  # The registry of the topologies of this VM: their processes, and which nodes each holds, so that none disconnects what
  # another one still wants. An entry goes with the process that made it.

  @typedoc "`gone?`: its answers have not named this node for so long that it keeps nobody from leaving."
  @type entry :: %{topology: atom(), names: MapSet.t(String.t()), gone?: boolean()}

  def child_spec(_opts), do: Registry.child_spec(keys: :unique, name: __MODULE__)

  @doc "Makes this the entry of the calling process."
  @spec publish(atom(), MapSet.t(String.t()), gone? :: boolean()) :: :ok
  def publish(topology, names, gone?) do
    entry = %{topology: topology, names: names, gone?: gone?}

    case Registry.register(__MODULE__, self(), entry) do
      {:ok, _} -> :ok
      {:error, {:already_registered, _}} -> Registry.update_value(__MODULE__, self(), fn _ -> entry end)
    end

    :ok
  end

  @doc "Every topology of this VM, with its process."
  @spec all() :: [{pid(), entry()}]
  def all, do: if(started?(), do: Registry.select(__MODULE__, [{{:_, :"$1", :"$2"}, [], [{{:"$1", :"$2"}}]}]), else: [])

  @doc "Whether this application is: `info`, `await` and `diagnose` may be asked before."
  @spec started?() :: boolean()
  def started?, do: Process.whereis(__MODULE__) != nil

  @doc "Those of other processes than the calling one."
  @spec others() :: [entry()]
  def others, do: for({pid, entry} <- all(), pid != self(), do: entry)

  @doc "What they hold."
  @spec held_by_others() :: MapSet.t(String.t())
  def held_by_others, do: Enum.reduce(others(), MapSet.new(), &MapSet.union(&2, &1.names))

  @doc """
  Whether any of these wants this node to stay: in a full mesh, leaving the nodes of one topology only would be the
  overlapping partition that OTP ends by cutting more.
  """
  @spec stay?([entry()]) :: boolean()
  def stay?(entries), do: Enum.any?(entries, &(not &1.gone? and not Enum.empty?(&1.names)))

  @doc "The names of the topologies of this VM."
  @spec names() :: [atom()]
  def names, do: all() |> Enum.map(fn {_pid, entry} -> entry.topology end) |> Enum.uniq() |> Enum.sort()

  @doc "The names of those with this strategy in the configuration of libcluster, whether they run or not."
  @spec configured(module()) :: [atom()]
  def configured(strategy), do: for({name, topology} <- configured(), topology[:strategy] == strategy, do: name)

  @doc "The topologies in the configuration of libcluster."
  @spec configured() :: [{atom(), keyword()}]
  def configured, do: Application.get_env(:libcluster, :topologies, [])

  @doc "The process of a topology."
  @spec whereis(atom()) :: pid() | nil
  def whereis(topology), do: Enum.find_value(all(), fn {pid, entry} -> if entry.topology == topology, do: pid end)
end
