defmodule LibclusterKubernetes.Diagnosis.Surroundings do
  @moduledoc false
  # What this VM and its pod are, and what the process of the topology says of itself: the one place where the checks get
  # it from, so that they are functions of what they are given.

  @enforce_keys [:node]
  defstruct [
    # The names of this node and of those it is connected to, hidden ones too.
    :node,
    # The cluster's domain by the search list of the pod's resolv.conf, where it says so.
    :domain,
    # The `LibclusterKubernetes.Info` of the topology, or that nobody runs it; `nil` where only a config was given.
    :process,
    # What `mix release` made of the command and the node's name, if this VM is a release.
    :release,
    connected: [],
    longnames?: true,
    # Whether the kubelet made its environment.
    pod?: true,
    # How the distribution connects: `-proto_dist` and `-epmd_module`.
    protocol: "inet_tcp",
    epmd: :erl_epmd,
    # Seconds since 1970.
    now: 0
  ]

  @type t :: %__MODULE__{
          node: String.t(),
          domain: String.t() | nil,
          process: map() | :missing | nil,
          release: %{command: String.t(), distribution: String.t(), node: String.t()} | nil,
          connected: [String.t()],
          longnames?: boolean(),
          pod?: boolean(),
          protocol: String.t(),
          epmd: module(),
          now: integer()
        }

  @not_distributed "nonode@nohost"

  @spec now() :: t()
  def now do
    name(%__MODULE__{
      node: Atom.to_string(node()),
      domain: domain(),
      release: release(&System.get_env/1),
      connected: Enum.map(Node.list(:connected), &Atom.to_string/1),
      longnames?: :net_kernel.longnames() == true,
      pod?: System.get_env("KUBERNETES_SERVICE_HOST") != nil,
      protocol: protocol(),
      epmd: :net_kernel.epmd_module(),
      now: System.os_time(:second)
    })
  end

  @doc "In the VM of `eval`, which is not distributed, the name is looked at that the release would start with."
  @spec name(t()) :: t()
  def name(%{node: @not_distributed, release: %{command: "eval", node: node} = release} = surroundings) do
    if node =~ "@", do: %{surroundings | node: node, longnames?: release.distribution == "name"}, else: surroundings
  end

  def name(surroundings), do: surroundings

  @doc "Whether this is not the node in question, but the VM of `eval` beside it."
  @spec eval?(t()) :: boolean()
  def eval?(surroundings), do: match?(%{release: %{command: "eval"}}, surroundings)

  @spec distributed?(t()) :: boolean()
  def distributed?(surroundings), do: surroundings.node != @not_distributed

  @doc "Whether this node has a name to be looked for in answers."
  @spec named?(t()) :: boolean()
  def named?(surroundings), do: distributed?(surroundings) and surroundings.longnames?

  @doc "What the answers say of this node, as the process of its topology knows it."
  @spec standing(t()) :: :ready | :not_ready | :draining | :absent | nil
  def standing(%{process: %{standing: standing}}), do: standing
  def standing(_surroundings), do: nil

  @doc "The family of addresses that the distribution connects to."
  @spec family(t()) :: :inet | :inet6
  def family(surroundings), do: if(surroundings.protocol =~ "6", do: :inet6, else: :inet)

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

  @doc "What the script of `mix release` exports, after rel/env.sh.eex."
  def release(env) do
    if command = env.("RELEASE_COMMAND") do
      %{command: command, distribution: env.("RELEASE_DISTRIBUTION") || "sname", node: env.("RELEASE_NODE") || ""}
    end
  end

  defp protocol do
    case :init.get_argument(:proto_dist) do
      {:ok, [[protocol | _] | _]} -> to_string(protocol)
      _default -> "inet_tcp"
    end
  end
end
