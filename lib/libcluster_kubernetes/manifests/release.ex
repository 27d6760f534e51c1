defmodule LibclusterKubernetes.Manifests.Release do
  @moduledoc false
  # What no manifest can say: the lines of a release's own files by which a node names itself, where that takes a shell, and
  # listens on a port of our choice. `mix release.init` makes these files.

  alias LibclusterKubernetes.Manifests.{Environment, Pods}
  alias LibclusterKubernetes.Options

  @doc "Each file with the lines that it needs, below one that names it. All three take # for a comment."
  @spec text(Options.t(), Pods.t()) :: String.t()
  def text(topology, pods) do
    case env_sh(topology, pods) ++ arguments(pods.dist_port) do
      [] -> "# Nothing: the environment of the pods names the node.\n"
      files -> Enum.map_join(files, "\n", fn {heading, lines} -> "# #{heading}\n#{Enum.join(lines, "\n")}\n" end)
    end
  end

  @doc "Whether nodes do not find each other without."
  @spec needed?(Options.t(), Pods.t()) :: boolean()
  def needed?(%{values: values}, pods) do
    pods.dist_port != nil or values.mode == :dns or (values.mode == :ip and values.kubernetes_ip_family != :primary)
  end

  defp env_sh(%{values: values} = topology, pods) do
    case address(values) <> name(topology, pods) <> protocol(values) do
      "" ->
        []

      script ->
        lines = for line <- String.split(script, "\n", trim: true), do: "    #{line}"
        # These two start no node.
        [
          {"rel/env.sh.eex",
           ["case $RELEASE_COMMAND in", "  eval | version) ;;", "  *)"] ++ lines ++ ["    ;;", "esac"]}
        ]
    end
  end

  defp address(%{mode: :hostname}), do: ""
  defp address(%{kubernetes_ip_family: :primary}), do: ""
  defp address(%{kubernetes_ip_family: :ipv4}), do: address("IPv4", "-v :")
  defp address(%{kubernetes_ip_family: :ipv6}), do: address("IPv6", ":")

  defp address(family, pattern) do
    """
    POD_IP="$(echo "$POD_IPS" | tr , '\\n' | grep -m 1 #{pattern})" || {
      echo "ERROR: this pod has no #{family} address: $POD_IPS" >&2
      exit 1
    }
    """
  end

  defp name(%{values: %{mode: :dns}} = topology, pods) do
    """
    # 10.1.0.7 is 10-1-0-7, fd00::7 is fd00--7.
    POD_DASHES="$(echo "$POD_IP" | sed 's/[.:]/-/g')"
    export RELEASE_DISTRIBUTION=name
    export RELEASE_NODE="#{Environment.basename!(topology, pods)}@$POD_DASHES.$NAMESPACE.pod.#{topology.domain}"
    """
  end

  defp name(%{values: %{mode: :ip, kubernetes_ip_family: family}} = topology, pods) when family != :primary do
    """
    export RELEASE_DISTRIBUTION=name
    export RELEASE_NODE="#{Environment.basename!(topology, pods)}@$POD_IP"
    """
  end

  defp name(_topology, _pods), do: ""

  # The name of a host may be of either family; an address says it.
  defp protocol(%{mode: :hostname}), do: ""
  defp protocol(%{kubernetes_ip_family: :ipv4}), do: ""

  defp protocol(_values) do
    """
    case $POD_IP in
      *:*) export ERL_FLAGS="${ERL_FLAGS:-} -proto_dist inet6_tcp" ;;
    esac
    """
  end

  defp arguments(nil), do: []

  defp arguments(port) do
    without_epmd = "-start_epmd false -erl_epmd_port #{port}"

    [
      {"rel/vm.args.eex (OTP 25 and later)", [without_epmd]},
      {"rel/remote.vm.args.eex: the short-lived node of rpc, remote and stop must not take the port",
       [without_epmd <> " -dist_listen false"]}
    ]
  end
end
