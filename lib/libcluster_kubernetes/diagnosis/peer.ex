defmodule LibclusterKubernetes.Diagnosis.Peer do
  @moduledoc false
  # Why this node is not connected to a member: the steps of connecting, one by one, as `:net_kernel` would take them.
  #
  #     name ─▶ address of its host ─▶ port, from epmd or what takes its place ─▶ TCP ─▶ handshake ─▶ cookie

  alias LibclusterKubernetes.Diagnosis.{Check, Handshake, Surroundings}

  @open_both """
  Both ports must be open between the pods, in the NetworkPolicy and for a service mesh: 4369 of epmd, and the one of the
  distribution, which -kernel inet_dist_listen_min and inet_dist_listen_max fix.\
  """

  @spec check(String.t(), Surroundings.t(), timeout :: pos_integer()) :: Check.t()
  def check(member, surroundings, timeout) do
    if member in surroundings.connected,
      do: Check.ok(:member, "#{member}: connected", data(member, :connected)),
      else: look(member, surroundings, timeout)
  end

  defp look(member, surroundings, timeout) do
    [basename, host] = member |> String.split("@", parts: 2) |> Enum.map(&String.to_charlist/1)

    with {:ok, address} <- address(surroundings, basename, host),
         {:ok, port} <- port(surroundings, basename, address) do
      meet(member, {address, port}, surroundings, timeout)
    else
      {:error, reason, why, remedy} -> failed(member, reason, why, remedy)
    end
  end

  @doc "The check of a member that took longer than its time."
  def timed_out(member, timeout) do
    failed(
      member,
      :timeout,
      "says nothing for #{timeout} ms, to epmd (port 4369) or to this node's name server",
      @open_both
    )
  end

  defp address(surroundings, basename, host) do
    family = if surroundings.protocol =~ "6", do: :inet6, else: :inet

    case resolve(surroundings.epmd, basename, host, family) do
      {:ok, address} ->
        {:ok, address}

      {:error, reason} ->
        {:error, :host, "its host name does not resolve: #{inspect(reason)}",
         """
         Names of mode :dns need the CoreDNS option "pods insecure" or "pods verified"; those of mode :hostname a headless
         Service (clusterIP: None) of the name in it, with publishNotReadyAddresses: true to be there before pods are ready.\
         """}
    end
  end

  defp resolve(epmd, basename, host, family) do
    found =
      if function_exported?(epmd, :address_please, 3),
        do: epmd.address_please(basename, host, family),
        else: :inet.getaddr(host, family)

    # Some know the port as well, but all know it when they are asked.
    case found do
      {:ok, address} -> {:ok, address}
      {:ok, address, _port, _version} -> {:ok, address}
      {:error, reason} -> {:error, reason}
    end
  end

  defp port(%{epmd: epmd}, basename, address) do
    case epmd.port_please(basename, address) do
      {:port, port, _version} -> {:ok, port}
      :noport -> no_port(names(epmd, address), basename)
      refused -> epmd_silent(refused)
    end
  end

  # What it answers where epmd does not answer, too: the list of names tells the two apart.
  defp no_port({:error, reason}, _basename), do: epmd_silent(reason)

  defp no_port({:ok, names}, basename) do
    others = Enum.map_join(names, ", ", fn {name, _port} -> inspect(to_string(name)) end)
    others = if others == "", do: "nor any other", else: "but #{others}"

    {:error, :noport, "epmd there knows no node #{basename}, #{others}",
     """
     Does that pod run Erlang, distributed, under this basename (kubernetes_node_basename)? If others are found that do
     not, kubernetes_selector matches too much.\
     """}
  end

  defp epmd_silent(reason),
    do: {:error, :epmd, "epmd there (port 4369) does not answer: #{inspect(reason)}", @open_both}

  defp names(epmd, address) do
    if function_exported?(epmd, :names, 1), do: epmd.names(address), else: {:error, :noport}
  end

  defp meet(member, {address, port}, %{protocol: protocol} = surroundings, timeout) do
    at = "#{:inet.ntoa(address)}, port #{port}"

    if protocol in ["inet_tcp", "inet6_tcp"] do
      result = Handshake.attempt(address, port, introduction(surroundings.node), cookie(), timeout)
      judge(member, at, result)
    else
      touch(member, {address, port}, at, protocol, timeout)
    end
  end

  # Only the port can be looked at from outside of TLS.
  defp touch(member, {address, port}, at, protocol, timeout) do
    case :gen_tcp.connect(address, port, [], timeout) do
      {:ok, socket} ->
        :gen_tcp.close(socket)

        failed(
          member,
          :unknown,
          "not connected, though #{at} takes connections",
          "Distribution over #{protocol} is not looked into: compare the certificates of -ssl_dist_optfile and the " <>
            "cookies of both nodes, and look into both logs."
        )

      {:error, reason} ->
        judge(member, at, {:error, {:connect, reason}})
    end
  end

  defp judge(member, at, {:ok, member}) do
    found = "#{member}: not connected, though it answers at #{at} and takes the cookie"
    remedy = "The strategy connects to it within a minute. If it does not, look for its messages in the log."
    Check.warning(:member, found, remedy, data(member, :reachable))
  end

  defp judge(member, at, {:error, {:cookie, member}}) do
    failed(member, :cookie, "it answers at #{at}, and refuses the cookie of this node", """
    All nodes need the same cookie. In a release, set RELEASE_COOKIE from one Secret in every pod:
      env:
        - name: RELEASE_COOKIE
          valueFrom: {secretKeyRef: {name: SECRET, key: cookie}}\
    """)
  end

  # Whether it takes the cookie does not matter then.
  defp judge(member, at, {reply, answer}) when reply == :ok or (is_tuple(answer) and elem(answer, 0) == :cookie) do
    name = if reply == :ok, do: answer, else: elem(answer, 1)

    failed(member, :name, "the node at #{at} is called #{inspect(name)}", """
    Connecting takes only the name that a node has itself. Name that node as the options build it (RELEASE_NODE), or change
    mode, kubernetes_node_basename, kubernetes_service_name or the domain to fit.\
    """)
  end

  defp judge(member, at, {:error, {:connect, reason}}) do
    failed(member, :port, "no connection to #{at}: #{inspect(reason)}", """
    Does the node there listen on this port, and do NetworkPolicy and service mesh let it through? All nodes that use a fixed
    port must use the same one: -kernel inet_dist_listen_min PORT inet_dist_listen_max PORT.\
    """)
  end

  defp judge(member, at, {:error, {:not_allowed, status}}) do
    failed(
      member,
      :refused,
      "the node at #{at} refuses this one: #{inspect(status)}",
      "Is :net_kernel.allow/1 used there?"
    )
  end

  defp judge(member, at, {:error, {:no_node, answer}}) do
    failed(member, :no_node, "what answers at #{at} is no Erlang node: #{inspect(answer)}", """
    Is it another program's port, a service mesh that wants TLS, or a node with distribution over TLS (-proto_dist inet_tls)?
    All nodes need the same -proto_dist.\
    """)
  end

  # A name of its own, always the same: the peer keeps an atom of it.
  defp introduction(node) do
    [basename, host] = String.split(node, "@", parts: 2)
    "#{basename}-diagnosis@#{host}"
  end

  defp cookie, do: Atom.to_string(Node.get_cookie())

  defp failed(member, reason, why, remedy), do: Check.failed(:member, "#{member}: #{why}", remedy, data(member, reason))

  defp data(member, reason), do: %{member: member, reason: reason}
end
