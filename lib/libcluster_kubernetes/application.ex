defmodule LibclusterKubernetes.Application do
  @moduledoc false
  use Application

  alias LibclusterKubernetes.Diagnosis.Likely
  alias LibclusterKubernetes.Strategy.{Departure, Job, Topologies}

  @impl true
  def start(_type, _args) do
    # The parts of the process know nothing of the diagnosis, which knows them.
    Job.explain_by({Likely, :reason, []})
    Supervisor.start_link([Topologies, Departure], strategy: :one_for_one, name: LibclusterKubernetes.Supervisor)
  end
end
