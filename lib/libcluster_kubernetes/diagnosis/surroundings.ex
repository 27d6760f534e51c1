defmodule LibclusterKubernetes.Diagnosis.Surroundings do
  @moduledoc false
  # What this VM and its pod are, apart from any topology: the one place where the checks get it from, so that they are
  # functions of what they are given.

  @enforce_keys [:node]
  defstruct [
    # The names of this node and of those it is connected to, hidden ones too.
    :node,
    # The cluster's domain by the search list of the pod's resolv.conf, where it says so.
    :domain,
    connected: [],
    longnames?: true,
    # How the distribution connects: `-proto_dist` and `-epmd_module`.
    protocol: "inet_tcp",
    epmd: :erl_epmd,
    # Seconds since 1970.
    now: 0
  ]

  @type t :: %__MODULE__{
          node: String.t(),
          domain: String.t() | nil,
          connected: [String.t()],
          longnames?: boolean(),
          protocol: String.t(),
          epmd: module(),
          now: integer()
        }

  @not_distributed "nonode@nohost"

  @spec now() :: t()
  def now do
    %__MODULE__{
      node: Atom.to_string(node()),
      domain: domain(),
      connected: Enum.map(Node.list(:connected), &Atom.to_string/1),
      longnames?: :net_kernel.longnames() == true,
      protocol: protocol(),
      epmd: :net_kernel.epmd_module(),
      now: System.os_time(:second)
    }
  end

  @spec distributed?(t()) :: boolean()
  def distributed?(surroundings), do: surroundings.node != @not_distributed

  @doc """
  The cluster's domain in a `resolv.conf`. The kubelet writes `search NAMESPACE.svc.DOMAIN svc.DOMAIN DOMAIN ...`.
  """
  @spec domain_in(String.t()) :: String.t() | nil
  def domain_in(resolv_conf) do
    with [_, search] <- Regex.run(~r/^search[ \t]+(.*)$/m, resolv_conf) do
      search |> String.split() |> Enum.find_value(&after_svc/1)
    end
  end

  defp after_svc("svc." <> domain), do: String.trim_trailing(domain, ".")
  defp after_svc(_other), do: nil

  defp domain do
    with {:ok, text} <- File.read("/etc/resolv.conf"), do: domain_in(text), else: (_ -> nil)
  end

  defp protocol do
    case :init.get_argument(:proto_dist) do
      {:ok, [[protocol | _] | _]} -> to_string(protocol)
      _default -> "inet_tcp"
    end
  end
end
