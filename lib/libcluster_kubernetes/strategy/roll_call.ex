defmodule LibclusterKubernetes.Strategy.RollCall do
  @moduledoc false
  # Says once of each topology that is configured that no process runs it, if so: most often Cluster.Supervisor is not in the
  # application's supervision tree, and nothing else would tell.
  #
  # A release has started when its applications have. A VM of `mix` or of `eval` is always starting: it is no node of a
  # cluster, and nothing is said there.
  use GenServer, restart: :transient

  alias Cluster.Logger
  alias LibclusterKubernetes.Strategy.Topologies

  # Milliseconds, and again as long while the VM starts.
  @wait 15_000

  @doc "Options: `:strategy`, whose topologies are meant; `:wait`, and `:status` as of `:init.get_status/0`."
  def start_link(opts), do: GenServer.start_link(__MODULE__, opts)

  @impl GenServer
  def init(opts) do
    opts = Map.new(Keyword.merge([wait: @wait, status: &:init.get_status/0], opts))
    {:ok, opts, opts.wait}
  end

  @impl GenServer
  def handle_info(:timeout, opts) do
    if match?({:starting, _}, opts.status.()) do
      {:noreply, opts, opts.wait}
    else
      for topology <- Topologies.configured(opts.strategy) -- Topologies.names(), do: say(topology)
      {:stop, :normal, opts}
    end
  end

  defp say(topology) do
    Logger.warn(
      topology,
      "this topology is configured, but no process runs it, so that nobody is looked for: {Cluster.Supervisor, [topologies, " <>
        "[name: MyApp.ClusterSupervisor]]} must be a child in the application's supervision tree"
    )
  end
end
