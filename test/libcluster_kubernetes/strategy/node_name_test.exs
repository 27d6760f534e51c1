defmodule LibclusterKubernetes.Strategy.NodeNameTest do
  use ExUnit.Case, async: true

  alias LibclusterKubernetes.Strategy.NodeName

  @half div(:erlang.system_info(:atom_limit), 2)

  test "a name becomes an atom while the table has room" do
    name = "app@node-name-#{System.unique_integer([:positive])}"
    assert NodeName.to_node(name, @half) == {:error, :atom_table_half_full}
    assert_raise ArgumentError, fn -> String.to_existing_atom(name) end
    assert {:ok, node} = NodeName.to_node(name, @half - 1)
    assert Atom.to_string(node) == name
    # It costs nothing any more.
    assert NodeName.to_node(name, @half) == {:ok, node}
    assert NodeName.to_node(name) == {:ok, node}
  end
end
