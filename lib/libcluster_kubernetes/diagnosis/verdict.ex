defmodule LibclusterKubernetes.Diagnosis.Verdict do
  @moduledoc false
  # What it means that this node got so far with members, and what to change: one check for each reason, with all whom it is
  # true of.

  alias LibclusterKubernetes.Diagnosis.{Check, Distribution, Peer, Surroundings}

  @open_both "Both ports must be open between the pods, in the NetworkPolicy and for a service mesh: 4369 of epmd, and the " <>
               "one of the distribution, which -kernel inet_dist_listen_min and inet_dist_listen_max fix."

  @type outcome :: Peer.outcome() | {:timeout, milliseconds :: pos_integer()}

  @doc "What is true of most comes first, those that are connected last."
  @spec checks([{member :: String.t(), outcome()}], Surroundings.t()) :: [Check.t()]
  def checks(outcomes, surroundings) do
    outcomes
    |> Enum.group_by(fn {_member, outcome} -> reason(outcome) end)
    |> Enum.sort_by(fn {reason, alike} -> {reason == :connected, -length(alike), reason} end)
    |> Enum.map(fn {reason, alike} -> check(reason, alike, surroundings) end)
  end

  defp reason(:connected), do: :connected
  defp reason(outcome), do: elem(outcome, 0)

  defp check(:connected, alike, _surroundings) do
    Check.ok(:member, "#{length(alike)} connected: #{list(alike)}", data(:connected, alike))
  end

  defp check(:reachable, alike, surroundings) do
    {why, remedy} = unconnected(surroundings)
    found = "#{why}, though it answers and takes the cookie: #{list(alike)}"
    Check.warning(:member, found, remedy, data(:reachable, alike))
  end

  defp check(reason, [{_member, outcome} | _] = alike, surroundings) do
    found = "#{why(reason, surroundings)}: #{list(alike)}"
    Check.failed(:member, found, remedy(outcome, surroundings), data(reason, alike))
  end

  defp data(reason, alike), do: %{reason: reason, members: Enum.map(alike, &elem(&1, 0))}

  defp list(alike), do: Enum.map_join(alike, ", ", fn {member, outcome} -> member <> detail(outcome) end)

  # Who makes no connection, and never will.
  defp unconnected(%{process: :missing}), do: {"not connected, as no process runs the topology", nil}

  defp unconnected(surroundings) do
    if Surroundings.standing(surroundings) in [:draining, :absent] do
      {"not connected, as this pod terminates and makes no new connections", nil}
    else
      {"not connected",
       "The strategy tries again within a minute. If that does not help, look for its messages in the log."}
    end
  end

  defp why(:host, _), do: "the host name does not resolve"
  defp why(:family, s), do: "no address that this node's distribution (#{s.protocol}) connects to"
  defp why(:epmd, _), do: "no answer of epmd (port 4369)"
  defp why(:noport, _), do: "epmd there does not know the basename"
  defp why(:port, _), do: "no connection to the port of the distribution"
  defp why(:other_port, _), do: "not at the port where this node looks for it"
  defp why(:no_node, _), do: "what answers is no Erlang node"
  defp why(:refused, _), do: "the node refuses this one"
  defp why(:name, _), do: "the node there has another name"
  defp why(:cookie, _), do: "refuses the cookie of this node"
  defp why(:unknown, _), do: "not connected, though the port of the distribution is open"
  defp why(:timeout, _), do: "no answer in time, from epmd (port 4369) or a name server"

  defp detail(:connected), do: ""
  defp detail({:host, reason}), do: " (#{inspect(reason)})"
  defp detail({:family, :inet}), do: " (IPv4 only)"
  defp detail({:family, :inet6}), do: " (IPv6 only)"
  defp detail({:epmd, reason}), do: " (#{inspect(reason)})"
  defp detail({:noport, []}), do: " (it knows none)"
  defp detail({:noport, others}), do: " (it knows #{Enum.map_join(others, ", ", &inspect/1)})"
  defp detail({:port, at, reason}), do: " (#{at}: #{inspect(reason)})"
  defp detail({:other_port, at, port}), do: " (#{at}; epmd there says port #{port})"
  defp detail({:no_node, at, answer}), do: " (#{at}: #{inspect(answer)})"
  defp detail({:refused, at, status}), do: " (#{at}: #{inspect(status)})"
  defp detail({:name, at, its_name}), do: " (#{at}: #{inspect(its_name)})"
  defp detail({:timeout, milliseconds}), do: " (#{milliseconds} ms)"
  defp detail({:unknown, at, _protocol}), do: " (#{at})"
  defp detail({reason, at}) when reason in [:cookie, :reachable], do: " (#{at})"

  defp remedy({:host, _}, _surroundings) do
    "Names of mode :dns need the CoreDNS option \"pods insecure\" or \"pods verified\"; those of mode :hostname need a " <>
      "headless Service (clusterIP: None) of the name in them, with publishNotReadyAddresses: true to be there before " <>
      "the pods are ready."
  end

  defp remedy({:family, :inet6}, surroundings), do: Distribution.over_ipv6(surroundings.protocol)

  defp remedy({:family, :inet}, surroundings) do
    "All nodes need distribution over IPv4: start them without -proto_dist #{surroundings.protocol}."
  end

  defp remedy({:epmd, :econnrefused}, _surroundings) do
    "Nobody listens there. Is that a node without epmd (-start_epmd false, -erl_epmd_port, -epmd_module), while this one " <>
      "asks epmd? All nodes need the same. Or does no Erlang run in that pod?"
  end

  defp remedy({:epmd, _}, _surroundings), do: @open_both

  defp remedy({:noport, _}, _surroundings) do
    "Does that pod run Erlang, distributed, under this basename (kubernetes_node_basename)? If pods are found that do " <>
      "not, kubernetes_selector matches too much."
  end

  defp remedy({:port, _, _}, _surroundings) do
    "Does the node there listen on this port, and do NetworkPolicy and service mesh let it through? All nodes that use a " <>
      "fixed port must use the same one: -kernel inet_dist_listen_min PORT inet_dist_listen_max PORT."
  end

  defp remedy({:other_port, _, _}, _surroundings) do
    "That node is known to epmd, which this one does not ask (-erl_epmd_port or -epmd_module). All nodes need the same: " <>
      "rel/vm.args.eex and ERL_FLAGS set it."
  end

  defp remedy({:no_node, _, _}, _surroundings) do
    "Is it another program's port, a service mesh that wants TLS, or a node with distribution over TLS (-proto_dist " <>
      "inet_tls)? All nodes need the same -proto_dist."
  end

  defp remedy({:refused, _, _}, _surroundings), do: "Is :net_kernel.allow/1 used there?"

  defp remedy({:name, _, _}, _surroundings) do
    "Connecting takes only the name that a node has itself. Name that node as the options build it (RELEASE_NODE), or " <>
      "change mode, kubernetes_node_basename, kubernetes_service_name or the domain to fit."
  end

  defp remedy({:cookie, _}, _surroundings) do
    """
    All nodes need the same cookie. Without RELEASE_COOKIE a release has the one of its own file releases/COOKIE, \
    which each image may have anew. Set it from one Secret in every pod:
      env:
        - name: RELEASE_COOKIE
          valueFrom:
            secretKeyRef: {name: SECRET, key: cookie}\
    """
  end

  defp remedy({:unknown, _, protocol}, _surroundings) do
    "Distribution over #{protocol} is not looked into: compare the certificates of -ssl_dist_optfile and the cookies of " <>
      "both nodes, and look into both logs."
  end

  defp remedy({:timeout, _}, _surroundings), do: @open_both
end
