defmodule LibclusterKubernetes.Bench.Plan do
  @moduledoc "How much is measured: the default takes less than a quarter of an hour, `--quick` less than three minutes."

  defstruct sizes: [10, 100, 1_000, 5_000],
            # The size of what is measured at one size only.
            size: 1_000,
            # Each round measures every client once.
            rounds: 5,
            # How long one client polls in a round; at least once.
            round_ms: 800,
            fresh_starts: 3,
            idle_seconds: 8,
            window_seconds: 45,
            # How many of our topologies watch in the idle window, so that what one costs can be seen at all.
            watchers: 50,
            reactions: 60,
            stock_reactions: 20,
            lateness_rounds: 4,
            lateness_ms: 2_500,
            topologies: 200,
            topology_members: 200,
            many_seconds: 25

  @type t :: %__MODULE__{}

  def quick do
    %__MODULE__{
      sizes: [10, 1_000],
      rounds: 3,
      round_ms: 300,
      fresh_starts: 2,
      idle_seconds: 3,
      window_seconds: 10,
      watchers: 20,
      reactions: 20,
      stock_reactions: 8,
      lateness_rounds: 2,
      lateness_ms: 1_500,
      topologies: 50,
      topology_members: 50,
      many_seconds: 8
    }
  end

  @doc "The largest number of members."
  def largest(plan), do: Enum.max(plan.sizes)
end
