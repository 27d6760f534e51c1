defmodule LibclusterKubernetes.Application do
  @moduledoc false
  use Application

  alias LibclusterKubernetes.Diagnosis.Likely
  alias LibclusterKubernetes.Strategy
  alias LibclusterKubernetes.Strategy.{Departure, Heir, Job, RollCall, Topologies}

  @impl true
  def start(_type, _args) do
    # The parts of the process know nothing of the diagnosis, which knows them.
    Job.explain_by({Likely, :reason, []})
    children = [Heir, Topologies, Departure, {RollCall, strategy: Strategy}]
    Supervisor.start_link(children, strategy: :one_for_one, name: LibclusterKubernetes.Supervisor)
  end
end
