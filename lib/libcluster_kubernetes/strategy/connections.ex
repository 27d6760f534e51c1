defmodule LibclusterKubernetes.Strategy.Connections do
  @moduledoc false
  # The nodes that this one is connected to, by their names as the answers have them. Names are made again only when
  # somebody came or went: to make a thousand takes longer than all else that a tick does.

  defstruct nodes: [], names: MapSet.new()

  @type t :: %__MODULE__{nodes: [node()], names: MapSet.t(String.t())}

  @spec new() :: t()
  def new, do: %__MODULE__{}

  @doc "Those of this moment; the same as before, where nobody came or went."
  @spec now(t(), {module(), atom(), [term()]}) :: t()
  def now(connections, {module, function, args}) do
    case apply(module, function, args) do
      nodes when nodes == connections.nodes -> connections
      nodes -> %__MODULE__{nodes: nodes, names: MapSet.new(nodes, &Atom.to_string/1)}
    end
  end
end
