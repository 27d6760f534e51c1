defmodule LibclusterKubernetes.Strategy.Topologies do
  @moduledoc false
  # The topologies of this VM, and which nodes each holds, so that none disconnects what another one still wants.
  # An entry goes with the process that made it.

  @enforce_keys [:topology]
  defstruct [:topology, names: MapSet.new(), gone?: false]

  # `gone?`: its answers have not named this node for so long that it keeps nobody from leaving.
  @type t :: %__MODULE__{topology: atom(), names: MapSet.t(String.t()), gone?: boolean()}

  def child_spec(_opts), do: Registry.child_spec(keys: :unique, name: __MODULE__)

  @doc "Makes this what the calling process holds."
  @spec hold(t()) :: :ok
  def hold(holding) do
    case Registry.register(__MODULE__, self(), holding) do
      {:ok, _} -> :ok
      {:error, {:already_registered, _}} -> Registry.update_value(__MODULE__, self(), fn _ -> holding end)
    end

    :ok
  end

  @doc "What the other topologies of this VM hold."
  @spec held_by_others() :: MapSet.t(String.t())
  def held_by_others do
    for {pid, holding} <- all(), pid != self(), reduce: MapSet.new() do
      held -> MapSet.union(held, holding.names)
    end
  end

  @doc """
  Whether any of these wants this node to stay: in a full mesh, leaving the nodes of one topology only would be the
  overlapping partition that OTP ends by cutting more.
  """
  @spec stay?([t()]) :: boolean()
  def stay?(holdings), do: Enum.any?(holdings, &(not &1.gone? and not Enum.empty?(&1.names)))

  @doc "The names of the topologies of this VM."
  @spec topologies() :: [atom()]
  def topologies, do: all() |> Enum.map(fn {_pid, holding} -> holding.topology end) |> Enum.uniq() |> Enum.sort()

  @doc "The process of a topology."
  @spec whereis(atom()) :: pid() | nil
  def whereis(topology) do
    Enum.find_value(all(), fn {pid, holding} -> if holding.topology == topology, do: pid end)
  end

  @doc "Every topology of this VM, with its process."
  @spec all() :: [{pid(), t()}]
  def all, do: Registry.select(__MODULE__, [{{:_, :"$1", :"$2"}, [], [{{:"$1", :"$2"}}]}])
end
