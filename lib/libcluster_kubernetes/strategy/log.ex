defmodule LibclusterKubernetes.Strategy.Log do
  @moduledoc false
  # What the process of a topology logs, by libcluster's logger, which names the topology. What follows from an answer or
  # an error is worded by `Notices` and `Incident`.

  alias Cluster.Logger
  alias Cluster.Strategy.State, as: Topology

  @type entry :: {:error | :warn | :info | :debug, String.t()}

  @default_connect {:net_kernel, :connect_node, []}

  @spec write(Topology.t(), entry() | nil) :: :ok
  def write(_topology, nil), do: :ok
  def write(topology, {:error, text}), do: Logger.error(topology.topology, text)
  def write(topology, {:warn, text}), do: Logger.warn(topology.topology, text)
  def write(topology, {:info, text}), do: Logger.info(topology.topology, text)
  def write(topology, {:debug, text}), do: Logger.debug(topology.topology, text)

  @doc "Warns where this node can connect to nobody."
  @spec undistributed(Topology.t()) :: :ok
  def undistributed(%{connect: @default_connect} = topology) when node() == :nonode@nohost do
    write(topology, {
      :warn,
      "this node is not distributed, so it cannot connect to others: start it with a long name, " <>
        "in a release by RELEASE_DISTRIBUTION=name and RELEASE_NODE"
    })
  end

  def undistributed(_topology), do: :ok

  @spec atom_table_half_full(Topology.t()) :: :ok
  def atom_table_half_full(topology) do
    write(topology, {
      :warn,
      "this VM's atom table is half full, so that no new names become nodes: #{:erlang.system_info(:atom_count)} of " <>
        "#{:erlang.system_info(:atom_limit)}. Find out what makes so many atoms (names that change with every answer " <>
        "of the API do), restart this node, or raise the limit by +t"
    })
  end

  @doc "What a job crashed with, if that is how it ended."
  @spec crash(Topology.t(), String.t(), LibclusterKubernetes.Strategy.Job.result()) :: :ok
  def crash(topology, what, {:crashed, text}), do: write(topology, {:error, "#{what} failed: #{text}"})
  def crash(_topology, _what, _result), do: :ok
end
