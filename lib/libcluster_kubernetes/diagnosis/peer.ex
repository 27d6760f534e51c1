defmodule LibclusterKubernetes.Diagnosis.Peer do
  @moduledoc false
  # How far this node gets with a member that it is not connected to: the steps of connecting, one by one, as `:net_kernel`
  # would take them.
  #
  #     name ─▶ address of its host ─▶ port, from epmd or what takes its place ─▶ TCP ─▶ handshake ─▶ cookie

  alias LibclusterKubernetes.Diagnosis.{Handshake, Surroundings}

  # Until epmd takes a connection, in milliseconds.
  @epmd 2_000

  @typedoc "Where it ended. `at` is the address with the port."
  @type outcome ::
          :connected
          | {:host, reason :: term()}
          # It has an address only of the family that this node does not connect to.
          | {:family, :inet | :inet6}
          | {:epmd, reason :: term()}
          | {:noport, others :: [String.t()]}
          | {:port, at :: String.t(), reason :: term()}
          # Nobody listens there, and epmd, which this node does not ask, knows another port.
          | {:other_port, at :: String.t(), port :: :inet.port_number()}
          | {:no_node, at :: String.t(), answer :: term()}
          | {:refused, at :: String.t(), status :: String.t()}
          | {:name, at :: String.t(), its_name :: String.t()}
          | {:cookie, at :: String.t()}
          # Only the port can be looked at from outside of such a distribution.
          | {:unknown, at :: String.t(), protocol :: String.t()}
          | {:reachable, at :: String.t()}

  @spec look(String.t(), Surroundings.t(), timeout :: pos_integer()) :: outcome()
  def look(member, surroundings, timeout) do
    [basename, host] = member |> String.split("@", parts: 2) |> Enum.map(&String.to_charlist/1)

    with false <- member in surroundings.connected,
         {:ok, address} <- address(surroundings, basename, host),
         {:ok, port} <- port(surroundings.epmd, basename, address) do
      meet(member, {address, port}, surroundings, timeout)
    else
      true -> :connected
      failure -> failure
    end
  end

  defp address(surroundings, basename, host) do
    family = Surroundings.family(surroundings)

    case resolve(surroundings.epmd, basename, host, family) do
      {:ok, address} -> {:ok, address}
      # Some know the port as well, but all know it when they are asked.
      {:ok, address, _port, _version} -> {:ok, address}
      {:error, reason} -> unresolved(surroundings.epmd, basename, host, other(family), reason)
    end
  end

  defp unresolved(epmd, basename, host, other, reason) do
    if match?({:error, _}, resolve(epmd, basename, host, other)), do: {:host, reason}, else: {:family, other}
  end

  defp other(:inet), do: :inet6
  defp other(:inet6), do: :inet

  defp resolve(epmd, basename, host, family) do
    if function_exported?(epmd, :address_please, 3),
      do: epmd.address_please(basename, host, family),
      else: :inet.getaddr(host, family)
  end

  defp port(epmd, basename, address) do
    case epmd.port_please(basename, address) do
      {:port, port, _version} -> {:ok, port}
      :noport -> no_port(names(epmd, address))
      {:error, reason} -> {:epmd, reason}
      refused -> {:epmd, refused}
    end
  end

  # What `:erl_epmd` answers where epmd does not answer, too: the list of names tells the two apart.
  defp no_port({:ok, names}), do: {:noport, for({name, _port} <- names, do: to_string(name))}
  defp no_port({:error, reason}), do: {:epmd, reason}

  # Of any failure to connect `:erl_epmd` says `:address`.
  defp names(epmd, address) do
    with true <- function_exported?(epmd, :names, 1), {:error, :address} <- epmd.names(address) do
      with :open <- touch(address, epmd_port(), @epmd),
           do: {:error, :address},
           else: ({:error, {:connect, why}} -> {:error, why})
    else
      false -> {:error, :noport}
      answer -> answer
    end
  end

  defp epmd_port do
    case :init.get_argument(:epmd_port) do
      {:ok, [[port | _] | _]} -> List.to_integer(port)
      :error -> 4369
    end
  end

  defp meet(member, {address, port}, %{protocol: protocol} = surroundings, timeout) do
    at = "#{:inet.ntoa(address)}, port #{port}"

    result =
      if protocol in ["inet_tcp", "inet6_tcp"],
        do: Handshake.attempt(address, port, introduction(surroundings.node), cookie(), timeout),
        else: touch(address, port, timeout)

    case result do
      {:ok, ^member} -> {:reachable, at}
      # Whether it takes the cookie does not matter where the name differs.
      {:error, {:cookie, ^member}} -> {:cookie, at}
      {:ok, name} -> {:name, at, name}
      {:error, {:cookie, name}} -> {:name, at, name}
      {:error, {:connect, reason}} -> closed(member, {address, port}, at, reason)
      {:error, {:not_allowed, status}} -> {:refused, at, status}
      {:error, {:no_node, answer}} -> {:no_node, at, answer}
      :open -> {:unknown, at, protocol}
    end
  end

  # A node with epmd beside nodes without.
  defp closed(member, {address, port}, at, reason) do
    [basename, _host] = member |> String.split("@", parts: 2) |> Enum.map(&String.to_charlist/1)

    with :econnrefused <- reason,
         {:ok, names} <- :erl_epmd.names(address),
         {_name, other} when other != port <- List.keyfind(names, basename, 0) do
      {:other_port, at, other}
    else
      _ -> {:port, at, reason}
    end
  end

  defp touch(address, port, timeout) do
    with {:ok, socket} <- :gen_tcp.connect(address, port, [Handshake.family(address)], timeout) do
      :gen_tcp.close(socket)
      :open
    else
      {:error, reason} -> {:error, {:connect, reason}}
    end
  end

  # A name of its own, always the same: the peer keeps an atom of it.
  defp introduction(node) do
    [basename, host] = String.split(node, "@", parts: 2)
    "#{basename}-diagnosis@#{host}"
  end

  defp cookie, do: Atom.to_string(Node.get_cookie())
end
