defmodule LibclusterKubernetes.Application do
  @moduledoc false
  use Application

  alias LibclusterKubernetes.{Departure, Holdings}

  @impl true
  def start(_type, _args) do
    Supervisor.start_link([Holdings, Departure], strategy: :one_for_one, name: LibclusterKubernetes.Supervisor)
  end
end
