defmodule LibclusterKubernetes.Bench.Setting do
  @moduledoc "What a measurement needs: the server, the plan, and who is there to be measured."

  alias LibclusterKubernetes.Bench.{Client, Plan, Server}
  alias LibclusterKubernetes.Bench.Client.{Recorder, Subject}

  @enforce_keys [:server, :plan, :opponent?]
  defstruct @enforce_keys

  @type t :: %__MODULE__{server: Server.t(), plan: Plan.t(), opponent?: boolean()}

  # Polled by hand.
  @by_hand 3_600_000

  @doc "The strategies that know a source."
  @spec subjects(t(), Server.source()) :: [Subject.who()]
  def subjects(%{opponent?: true}, source) when source != :endpoint_slices, do: [:ours, :stock]
  def subjects(_setting, _source), do: [:ours]

  @doc """
  Starts topologies in a client. `topologies` are names with their namespaces.

  Options: `:port` (the server's; a relay's, to count bytes), `:watch?` (false), `:interval` (so long
  that no tick comes).
  """
  def start_topologies(setting, client, who, source, topologies, opts \\ []) do
    port = Keyword.get(opts, :port, setting.server.port)
    described = for {name, namespace} <- topologies, do: {name, config(setting, who, source, namespace, port, opts)}
    Client.call(client, Subject, :start, [who, described, if(who == :stock, do: "localhost:#{port}")])
  end

  @doc "Starts a client with one topology, called `:k8s`, and waits until it is connected to all members."
  def start_client!(setting, who, source, namespace, members, opts \\ []) do
    client = Client.start!(Keyword.get(opts, :flags, []))
    start_topologies(setting, client, who, source, [k8s: namespace], opts)
    await_members(client, [:k8s], members)
    client
  end

  @doc "Waits until topologies are connected to so many members each."
  def await_members(client, topologies, members) do
    Client.call(client, Recorder, :await_count, [topologies, members])
  end

  defp config(setting, who, source, namespace, port, opts) do
    [
      mode: :ip,
      kubernetes_node_basename: "app",
      kubernetes_selector: "app=app",
      kubernetes_namespace: namespace,
      kubernetes_ip_lookup_mode: source,
      kubernetes_service_account_path: setting.server.account,
      polling_interval: Keyword.get(opts, :interval, @by_hand)
    ] ++ own_config(who, port, opts)
  end

  defp own_config(:stock, port, _opts), do: [kubernetes_master: "localhost:#{port}"]

  defp own_config(:ours, port, opts) do
    watch = if opts[:watch?], do: :auto, else: false
    # By name, as the stock strategy, and as in a cluster.
    [kubernetes_master: "https://localhost:#{port}", kubernetes_watch: watch]
  end
end
