defmodule LibclusterKubernetes.Diagnosis.Verdict do
  @moduledoc false
  # What it means that this node got so far with a member, and what to change.

  alias LibclusterKubernetes.Diagnosis.{Check, Peer}

  @open_both "Both ports must be open between the pods, in the NetworkPolicy and for a service mesh: 4369 of epmd, and the " <>
               "one of the distribution, which -kernel inet_dist_listen_min and inet_dist_listen_max fix."

  @spec check(String.t(), Peer.outcome() | {:timeout, pos_integer()}) :: Check.t()
  def check(member, :connected), do: Check.ok(:member, "#{member}: connected", data(member, :connected))

  def check(member, {:reachable, at}) do
    found = "#{member}: not connected, though it answers at #{at} and takes the cookie"
    remedy = "The strategy connects to it within a minute. If it does not, look for its messages in the log."
    Check.warning(:member, found, remedy, data(member, :reachable))
  end

  def check(member, outcome) do
    {why, remedy} = words(outcome)
    Check.failed(:member, "#{member}: #{why}", remedy, data(member, elem(outcome, 0)))
  end

  defp words({:host, reason}) do
    {"its host name does not resolve: #{inspect(reason)}",
     "Names of mode :dns need the CoreDNS option \"pods insecure\" or \"pods verified\"; those of mode :hostname need a " <>
       "headless Service (clusterIP: None) of the name in them, with publishNotReadyAddresses: true to be there before " <>
       "the pods are ready."}
  end

  defp words({:epmd, reason}), do: {"epmd there (port 4369) does not answer: #{inspect(reason)}", @open_both}

  defp words({:noport, others}) do
    others = if others == [], do: "nor any other", else: "but #{Enum.map_join(others, ", ", &inspect/1)}"

    {"epmd there does not know its basename, #{others}",
     "Does that pod run Erlang, distributed, under this basename (kubernetes_node_basename)? If pods are found that do " <>
       "not, kubernetes_selector matches too much."}
  end

  defp words({:port, at, reason}) do
    {"no connection to #{at}: #{inspect(reason)}",
     "Does the node there listen on this port, and do NetworkPolicy and service mesh let it through? All nodes that use a " <>
       "fixed port must use the same one: -kernel inet_dist_listen_min PORT inet_dist_listen_max PORT."}
  end

  defp words({:no_node, at, answer}) do
    {"what answers at #{at} is no Erlang node: #{inspect(answer)}",
     "Is it another program's port, a service mesh that wants TLS, or a node with distribution over TLS (-proto_dist " <>
       "inet_tls)? All nodes need the same -proto_dist."}
  end

  defp words({:refused, at, status}) do
    {"the node at #{at} refuses this one: #{inspect(status)}", "Is :net_kernel.allow/1 used there?"}
  end

  defp words({:name, at, its_name}) do
    {"the node at #{at} is called #{inspect(its_name)}",
     "Connecting takes only the name that a node has itself. Name that node as the options build it (RELEASE_NODE), or " <>
       "change mode, kubernetes_node_basename, kubernetes_service_name or the domain to fit."}
  end

  defp words({:cookie, at}) do
    {"it answers at #{at}, and refuses the cookie of this node",
     """
     All nodes need the same cookie. In a release, set RELEASE_COOKIE from one Secret in every pod:
       env:
         - name: RELEASE_COOKIE
           valueFrom: {secretKeyRef: {name: SECRET, key: cookie}}\
     """}
  end

  defp words({:unknown, at, protocol}) do
    {"not connected, though #{at} takes connections",
     "Distribution over #{protocol} is not looked into: compare the certificates of -ssl_dist_optfile and the cookies of " <>
       "both nodes, and look into both logs."}
  end

  defp words({:timeout, milliseconds}) do
    {"no answer within #{milliseconds} ms, from epmd (port 4369) or a name server", @open_both}
  end

  defp data(member, reason), do: %{member: member, reason: reason}
end
