defmodule HelloCluster.Epmd do
  @moduledoc """
  Distribution without epmd: every node of the cluster listens on the same port, `HELLO_DIST_PORT`.

  `rel/env.sh.eex` turns it on with `-start_epmd false -epmd_module Elixir.HelloCluster.Epmd`. One port less to open in a
  NetworkPolicy, and one process less in the pod. The callbacks are those of "How to Implement an Alternative Node
  Discovery for Erlang Distribution" in the ERTS User's Guide.

  The VM calls this module before any application runs, Elixir's included, so it uses Erlang functions only.
  """

  # The version of the distribution handshake since OTP 23.
  @protocol 6

  # No process is needed.
  def start_link, do: :ignore

  # -1 lets the VM choose a random creation, which tells a restarted node from its former self.
  def register_node(_name, _port), do: {:ok, -1}
  def register_node(_name, _port, _driver), do: {:ok, -1}

  # 0: listen where -kernel inet_dist_listen_min and _max say. `bin/hello_cluster rpc` has no such flags and takes any port.
  def listen_port_please(_name, _host), do: {:ok, 0}

  def address_please(_name, host, family), do: :inet.getaddr(host, family)

  def port_please(_name, _host), do: {:port, port(), @protocol}
  def port_please(name, host, _timeout), do: port_please(name, host)

  # Nobody keeps a list: what :net_adm.names/0 answers without epmd.
  def names(_host), do: {:error, :address}

  defp port, do: :erlang.list_to_integer(:os.getenv(~c"HELLO_DIST_PORT"))
end
