defmodule LibclusterKubernetes.Diagnosis.Distribution do
  @moduledoc false
  # Whether this node is distributed, under a long name, over the family of addresses that its name is of.

  alias LibclusterKubernetes.Diagnosis.{Check, Expected, Surroundings}
  alias LibclusterKubernetes.{Native, Options}

  @spec check(Options.t(), Surroundings.t(), Native.facts()) :: Check.t()
  def check(options, surroundings, facts) do
    remedy = &naming(options, facts, &1)

    cond do
      Surroundings.eval?(surroundings) and not Surroundings.named?(surroundings) ->
        in_eval(surroundings.release, remedy)

      not Surroundings.distributed?(surroundings) ->
        Check.failed(:distribution, "this node is not distributed (nonode@nohost)", remedy.(:both))

      not surroundings.longnames? ->
        found = "#{surroundings.node} is a short name: nodes with short names do not talk to those with long ones"
        Check.failed(:distribution, found, remedy.(:both))

      wrong_family?(surroundings) ->
        wrong_family(surroundings)

      Surroundings.eval?(surroundings) ->
        found = "the release starts with the long name #{surroundings.node}; this VM, of eval, is not distributed"
        Check.ok(:distribution, found)

      true ->
        Check.ok(:distribution, "long names over #{surroundings.protocol}, ports by #{inspect(surroundings.epmd)}")
    end
  end

  # rel/env.sh.eex may name the node for those commands only that start one.
  defp in_eval(%{distribution: distribution, node: node}, remedy) do
    cond do
      distribution == "none" ->
        found = "RELEASE_DISTRIBUTION is none, so that the release is not distributed"
        Check.failed(:distribution, found, remedy.(:both))

      distribution == "sname" and node =~ ~r/@.*[.:]/ ->
        found =
          "RELEASE_DISTRIBUTION is sname, but RELEASE_NODE is #{node}, a long name: with that no node starts " <>
            "(OTP says nodistribution)"

        Check.failed(:distribution, found, remedy.(:distribution))

      distribution == "name" ->
        found = "RELEASE_NODE is #{inspect(node)}, which has no host that others could reach"
        Check.failed(:distribution, found, remedy.(:both))

      true ->
        found =
          "this VM, of eval, is not distributed; RELEASE_DISTRIBUTION is #{distribution} and RELEASE_NODE #{node} here, " <>
            "unless rel/env.sh.eex sets them for other commands only"

        Check.skipped(:distribution, found)
    end
  end

  defp wrong_family?(surroundings) do
    [_basename, host] = String.split(surroundings.node, "@", parts: 2)
    family(host) not in [nil, Surroundings.family(surroundings)]
  end

  defp wrong_family(%{node: node, protocol: protocol} = surroundings) do
    case Surroundings.family(surroundings) do
      :inet ->
        found = "#{node} is named after an IPv6 address, but its distribution is over IPv4 (#{protocol})"
        Check.failed(:distribution, found, over_ipv6(protocol))

      :inet6 ->
        found = "#{node} is named after an IPv4 address, but its distribution is over IPv6 (#{protocol})"

        Check.failed(
          :distribution,
          found,
          "Start it without -proto_dist #{protocol}: see rel/env.sh.eex, rel/vm.args.eex and ERL_FLAGS."
        )
    end
  end

  @doc "What to do where this node needs to connect to IPv6 addresses."
  @spec over_ipv6(protocol :: String.t()) :: String.t()
  def over_ipv6(protocol) do
    """
    All nodes need distribution over IPv6. In rel/env.sh.eex:
      export ERL_FLAGS="$ERL_FLAGS -proto_dist #{String.replace(protocol, "inet_", "inet6_")}"\
    """
  end

  @doc "The family of the address that a host is or is made of, as in 10-1-0-7.default.pod.cluster.local."
  @spec family(String.t()) :: :inet | :inet6 | nil
  def family(host) do
    first = host |> String.split(".") |> hd()

    case :inet.parse_strict_address(String.to_charlist(host)) do
      {:ok, address} when tuple_size(address) == 4 -> :inet
      {:ok, _address} -> :inet6
      {:error, _} -> if host =~ ".pod.", do: dashed(first)
    end
  end

  defp dashed(label) do
    cond do
      label =~ ~r/\A\d+-\d+-\d+-\d+\z/ -> :inet
      label =~ ~r/\A[0-9a-f]*(-[0-9a-f]*){2,7}\z/ -> :inet6
      true -> nil
    end
  end

  # The two places where both are set.
  defp naming(options, facts, what) do
    node = if what == :both, do: Expected.shell(options, facts), else: []

    Enum.join(
      ["In rel/env.sh.eex of the release:", "  export RELEASE_DISTRIBUTION=name"] ++
        node ++
        [
          "or, where that file sets neither, in the container's env:. mix libcluster_kubernetes.gen.manifests writes it all."
        ],
      "\n"
    )
  end
end
