defmodule LibclusterKubernetes.Strategy.Heir do
  @moduledoc false
  # Inherits the tables in which the topologies of this VM have whom they hold. A process that comes back after a crash
  # knows nobody before its first answer: until then it holds whom the one before it held, or another topology would
  # disconnect them.
  use GenServer

  def start_link(_opts), do: GenServer.start_link(__MODULE__, nil, name: __MODULE__)

  @doc "The option of a table that is to be inherited. None after a hot upgrade from a version without heirs."
  @spec option(topology :: atom()) :: [{:heir, pid(), atom()}]
  def option(topology) do
    case Process.whereis(__MODULE__) do
      nil -> []
      heir -> [{:heir, heir, topology}]
    end
  end

  @doc "Whom the last process of this topology held when it ended; of each this is told once."
  @spec claim(topology :: atom()) :: [String.t()]
  def claim(topology), do: if(Process.whereis(__MODULE__), do: GenServer.call(__MODULE__, {:claim, topology}), else: [])

  @doc "Whom a process holds that has this table."
  @spec names(:ets.table()) :: [String.t()]
  def names(table), do: for({name} <- :ets.tab2list(table), do: name)

  @impl GenServer
  def init(nil), do: {:ok, %{}}

  @impl GenServer
  def handle_call({:claim, topology}, _from, inherited) do
    {names, inherited} = Map.pop(inherited, topology, [])
    {:reply, names, inherited}
  end

  # Once for each topology: nobody may ever come back.
  @impl GenServer
  def handle_info({:"ETS-TRANSFER", table, _from, topology}, inherited) do
    names = names(table)
    true = :ets.delete(table)
    {:noreply, Map.put(inherited, topology, names)}
  end

  def handle_info(_other, inherited), do: {:noreply, inherited}
end
