defmodule LibclusterKubernetes.Strategy.NodeName do
  @moduledoc false
  # The name of a node as the atom that distribution takes.
  #
  # Atoms are never collected, and a VM whose table is full dies. A name becomes one only when it is about to be
  # connected to; and while the table is half full no new one is made, so that a server that answers with ever new names
  # costs connections, not the VM.

  @doc "The name as an atom: one that is there already, or a new one while there is room for it."
  @spec to_node(String.t(), used :: non_neg_integer()) :: {:ok, node()} | {:error, :atom_table_half_full}
  def to_node(name, used \\ :erlang.system_info(:atom_count)) do
    {:ok, String.to_existing_atom(name)}
  rescue
    ArgumentError ->
      if used < div(:erlang.system_info(:atom_limit), 2),
        do: {:ok, String.to_atom(name)},
        else: {:error, :atom_table_half_full}
  end
end
