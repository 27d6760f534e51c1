defmodule LibclusterKubernetes.Application do
  @moduledoc false
  use Application

  alias LibclusterKubernetes.Strategy.{Departure, Topologies}

  @impl true
  def start(_type, _args) do
    Supervisor.start_link([Topologies, Departure], strategy: :one_for_one, name: LibclusterKubernetes.Supervisor)
  end
end
