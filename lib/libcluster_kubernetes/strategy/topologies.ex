defmodule LibclusterKubernetes.Strategy.Topologies do
  @moduledoc false
  # The registry of the topologies of this VM: their processes, and which nodes each holds, so that none disconnects what
  # another one still wants. An entry goes with the process that made it. Its table, of which it changes the rows that change,
  # goes to its heir.

  alias LibclusterKubernetes.Strategy.Heir

  @typedoc "`gone?`: its answers have not named this node for so long that it keeps nobody from leaving."
  @type entry :: %{topology: atom(), held: :ets.table(), gone?: boolean()}

  def child_spec(_opts), do: Registry.child_spec(keys: :unique, name: __MODULE__)

  @doc """
  Makes an entry for the calling process; gives the table of whom it holds: at first those that the process before it held.
  Raises where this application is not started.
  """
  @spec enter(atom()) :: :ets.table()
  def enter(topology) do
    unless started?() do
      raise "libcluster topology #{inspect(topology)}: the application libcluster_kubernetes is not started. List it in the " <>
              "dependencies of the application that starts Cluster.Supervisor (mix.exs), without runtime: false"
    end

    held = :ets.new(__MODULE__, [:set, :protected | Heir.option(topology)])
    :ok = hold(held, Heir.claim(topology))
    {:ok, _} = register(%{topology: topology, held: held, gone?: false})
    held
  end

  @doc "Makes this entry of the calling process again where the registry or the heir has lost it, as one that restarts does."
  @spec stay_entered(entry()) :: :ok
  def stay_entered(entry) do
    true = :ets.setopts(entry.held, Heir.option(entry.topology))
    if started?(), do: register(entry)
    :ok
  end

  defp register(entry), do: Registry.register(__MODULE__, self(), entry)

  @doc "The calling process holds these, too."
  @spec hold(:ets.table(), [String.t()]) :: :ok
  def hold(held, names) do
    true = :ets.insert(held, for(name <- names, do: {name}))
    :ok
  end

  @doc "The calling process holds these, and nobody else any more."
  @spec hold_only(:ets.table(), [String.t()]) :: :ok
  def hold_only(held, names) do
    :ok = hold(held, names)
    release(held, Heir.names(held) -- names)
  end

  @doc "The calling process no longer holds these. An answer that names them makes it hold them again."
  @spec release(:ets.table(), [String.t()]) :: :ok
  def release(held, names), do: Enum.each(names, &:ets.delete(held, &1))

  @doc """
  The calling process no longer holds these; gives those that no other one holds. (Else each of two would keep what the other
  keeps.)
  """
  @spec let_go(:ets.table(), [String.t()]) :: [String.t()]
  def let_go(held, names) do
    :ok = release(held, names)
    Enum.reject(names, &held_by_others?/1)
  end

  @doc "Whether the calling process keeps anybody from leaving."
  @spec gone(boolean()) :: :ok
  def gone(gone?) do
    # What the registry has lost is entered again as it is then.
    _ = Registry.update_value(__MODULE__, self(), &%{&1 | gone?: gone?})
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

  @doc "Whether one of them holds this node."
  @spec held_by_others?(String.t()) :: boolean()
  def held_by_others?(name), do: Enum.any?(others(), &holds?(&1, name))

  defp holds?(entry, name) do
    :ets.member(entry.held, name)
  rescue
    # Its process has ended.
    ArgumentError -> false
  end

  @doc """
  Whether any of these wants this node to stay: in a full mesh, leaving the nodes of one topology only would be the
  overlapping partition that OTP ends by cutting more.
  """
  @spec stay?([entry()]) :: boolean()
  def stay?(entries), do: Enum.any?(entries, &(not &1.gone? and :ets.info(&1.held, :size) not in [0, :undefined]))

  @doc "The names of the topologies of this VM."
  @spec names() :: [atom()]
  def names, do: all() |> Enum.map(fn {_pid, entry} -> entry.topology end) |> Enum.uniq() |> Enum.sort()

  @doc "The names of those with this strategy in the configuration of libcluster, whether they run or not."
  @spec configured(module()) :: [atom()]
  def configured(strategy), do: for({name, topology} <- configured(), topology[:strategy] == strategy, do: name)

  @doc "The topologies in the configuration of libcluster: none where it is `nil`, as in `if config_env() == :prod, do: [...]`."
  @spec configured() :: [{atom(), keyword()}]
  def configured, do: Application.get_env(:libcluster, :topologies) || []

  @doc "The process of a topology."
  @spec whereis(atom()) :: pid() | nil
  def whereis(topology), do: Enum.find_value(all(), fn {pid, entry} -> if entry.topology == topology, do: pid end)
end
