defmodule HelloCluster.Application do
  @moduledoc false
  use Application

  @impl Application
  def start(_type, _args) do
    topologies = Application.get_env(:libcluster, :topologies, [])
    timestamps = Application.get_env(:hello_cluster, :timestamps, false)

    # The greeter is first: it then hears of every node that the cluster supervisor connects.
    children = [
      {HelloCluster.Greeter, timestamps: timestamps},
      {Cluster.Supervisor, [topologies, [name: HelloCluster.ClusterSupervisor]]}
    ]

    Supervisor.start_link(children, strategy: :one_for_one, name: HelloCluster.Supervisor)
  end
end
