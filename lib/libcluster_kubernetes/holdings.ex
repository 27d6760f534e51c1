defmodule LibclusterKubernetes.Holdings do
  @moduledoc false
  # Which nodes each topology of this VM holds, so that none disconnects what another one still wants.
  # An entry goes with the process that made it.

  def child_spec(_opts), do: Registry.child_spec(keys: :unique, name: __MODULE__)

  @doc "Makes `names` what the calling process holds."
  @spec hold([String.t()]) :: :ok
  def hold(names) do
    names = MapSet.new(names)

    case Registry.register(__MODULE__, self(), names) do
      {:ok, _} -> :ok
      {:error, {:already_registered, _}} -> Registry.update_value(__MODULE__, self(), fn _ -> names end)
    end

    :ok
  end

  @doc "What the other topologies of this VM hold."
  @spec held_by_others() :: MapSet.t(String.t())
  def held_by_others do
    __MODULE__
    |> Registry.select([{{:_, :"$1", :"$2"}, [{:"/=", :"$1", self()}], [:"$2"]}])
    |> Enum.reduce(MapSet.new(), &MapSet.union/2)
  end
end
