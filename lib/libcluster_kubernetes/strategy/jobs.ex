defmodule LibclusterKubernetes.Strategy.Jobs do
  @moduledoc false
  # The jobs of a topology that run, by their processes.

  alias LibclusterKubernetes.Options
  alias LibclusterKubernetes.Strategy.Job

  @type t :: %{pid() => Job.t()}

  @spec start(t(), Job.t(), Cluster.Strategy.State.t(), Options.t()) :: t()
  def start(jobs, job, topology, options), do: Map.put(jobs, Job.start(job, topology, options), job)

  @doc "Whether one of them disconnects."
  @spec letting_go?(t()) :: boolean()
  def letting_go?(jobs), do: Enum.any?(jobs, fn {_process, job} -> elem(job, 0) in [:ask, :disconnect, :leave] end)

  @doc "Whether one of this kind runs."
  @spec running?(t(), atom()) :: boolean()
  def running?(jobs, kind), do: Enum.any?(jobs, fn {_process, job} -> elem(job, 0) == kind end)
end
