defmodule Cluster.Supervisor do
  @moduledoc """
  Runs one strategy process per topology.

      children = [
        {Cluster.Supervisor, [topologies, [name: MyApp.ClusterSupervisor]]}
      ]

  Each topology is `name: [strategy: module, config: keyword, connect: mfa, disconnect: mfa, list_nodes: mfa]`. The
  strategy is required. The three functions default to those of OTP; `connect` and `disconnect` are called with the node
  as an additional last argument.
  """
  use Supervisor

  alias Cluster.Strategy.State

  @defaults [
    config: [],
    connect: {:net_kernel, :connect_node, []},
    disconnect: {:erlang, :disconnect_node, []},
    list_nodes: {:erlang, :nodes, [:connected]}
  ]

  @doc "Takes `[topologies]` or `[topologies, supervisor_options]`."
  @spec start_link([keyword, ...]) :: Supervisor.on_start()
  def start_link([topologies]), do: start_link([topologies, []])

  def start_link([_topologies, options] = args) do
    Supervisor.start_link(__MODULE__, args, options)
  end

  @impl Supervisor
  def init([topologies, options]) do
    topologies
    |> Enum.map(&child/1)
    |> Supervisor.init(Keyword.put(options, :strategy, :one_for_one))
  end

  defp child({topology, settings}) do
    strategy = Keyword.fetch!(settings, :strategy)
    fields = Keyword.take(settings, Keyword.keys(@defaults))
    state = struct!(State, [{:topology, topology} | Keyword.merge(@defaults, fields)])

    %{id: topology, start: {strategy, :start_link, [[state]]}}
  end
end
