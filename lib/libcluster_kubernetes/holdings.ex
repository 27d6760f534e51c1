defmodule LibclusterKubernetes.Holdings do
  @moduledoc false
  # The topologies of this VM, and which nodes each holds, so that none disconnects what another one still wants.
  # An entry goes with the process that made it.

  def child_spec(_opts), do: Registry.child_spec(keys: :unique, name: __MODULE__)

  @doc "Makes `names` what the calling process holds for `topology`."
  @spec hold(atom(), [String.t()]) :: :ok
  def hold(topology, names) do
    value = {topology, MapSet.new(names)}

    case Registry.register(__MODULE__, self(), value) do
      {:ok, _} -> :ok
      {:error, {:already_registered, _}} -> Registry.update_value(__MODULE__, self(), fn _ -> value end)
    end

    :ok
  end

  @doc "What the other topologies of this VM hold."
  @spec held_by_others() :: MapSet.t(String.t())
  def held_by_others do
    for {pid, {_topology, names}} <- all(), pid != self(), reduce: MapSet.new() do
      held -> MapSet.union(held, names)
    end
  end

  @doc "Every topology of this VM, with its process and what it holds."
  @spec all() :: [{pid(), {topology :: atom(), MapSet.t(String.t())}}]
  def all, do: Registry.select(__MODULE__, [{{:_, :"$1", :"$2"}, [], [{{:"$1", :"$2"}}]}])
end
