defmodule HelloCluster.EpmdTest do
  use ExUnit.Case, async: false

  alias HelloCluster.Epmd

  setup do
    System.put_env("HELLO_DIST_PORT", "4370")
    on_exit(fn -> System.delete_env("HELLO_DIST_PORT") end)
  end

  test "answers one port for every node" do
    assert {:port, 4370, 6} = Epmd.port_please(~c"hello_cluster", {127, 0, 0, 2})
    assert {:port, 4370, 6} = Epmd.port_please(~c"other", {127, 0, 0, 3}, :infinity)
  end

  test "resolves an address and leaves the listening port to the kernel's settings" do
    assert {:ok, {127, 0, 0, 2}} = Epmd.address_please(~c"hello_cluster", ~c"127.0.0.2", :inet)
    assert {:ok, 0} = Epmd.listen_port_please(~c"hello_cluster", ~c"127.0.0.2")
  end

  test "registers nothing and needs no process" do
    assert :ignore = Epmd.start_link()
    assert {:ok, -1} = Epmd.register_node(~c"hello_cluster", 4370)
    assert {:ok, -1} = Epmd.register_node(~c"hello_cluster", 4370, :inet)
    assert {:error, :address} = Epmd.names(~c"localhost")
  end
end
