defmodule Cluster.Strategy.State do
  @moduledoc """
  What `Cluster.Supervisor` hands to a strategy: the topology's name and settings.

  `meta` belongs to the strategy, which may keep there what it likes.
  """

  @type t :: %__MODULE__{
          topology: atom,
          connect: Cluster.Strategy.mfa_tuple(),
          disconnect: Cluster.Strategy.mfa_tuple(),
          list_nodes: Cluster.Strategy.mfa_tuple(),
          meta: term,
          config: keyword
        }

  defstruct [:topology, :connect, :disconnect, :list_nodes, :meta, config: []]
end
