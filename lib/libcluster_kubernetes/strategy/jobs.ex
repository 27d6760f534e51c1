defmodule LibclusterKubernetes.Strategy.Jobs do
  @moduledoc false
  # The jobs of a topology that run, by the references of their tasks.

  alias LibclusterKubernetes.Options
  alias LibclusterKubernetes.Strategy.Job

  @type t :: %{reference() => Job.t()}

  @spec start(t(), Job.t(), Cluster.Strategy.State.t(), Options.t()) :: t()
  def start(jobs, job, topology, options), do: Map.put(jobs, Job.start(job, topology, options).ref, job)

  @doc "Which one ended, and those that still run."
  @spec ended(t(), reference()) :: {Job.t(), t()}
  def ended(jobs, task) do
    Process.demonitor(task, [:flush])
    Map.pop!(jobs, task)
  end

  @doc "Whether one of them disconnects."
  @spec letting_go?(t()) :: boolean()
  def letting_go?(jobs), do: Enum.any?(jobs, fn {_task, job} -> elem(job, 0) in [:ask, :disconnect, :leave] end)

  @doc "Whether one of this kind runs."
  @spec running?(t(), atom()) :: boolean()
  def running?(jobs, kind), do: Enum.any?(jobs, fn {_task, job} -> elem(job, 0) == kind end)
end
