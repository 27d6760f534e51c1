defmodule LibclusterKubernetes.Bench.Plan do
  @moduledoc "How much is measured: the default takes less than a quarter of an hour, `--quick` less than three minutes."

  defstruct sizes: [10, 100, 1_000, 5_000],
            # The size of what is measured at one size only, and the sources of that.
            size: 1_000,
            sources: [:endpoints, :endpoint_slices, :pods],
            # Each round measures every client once.
            rounds: 5,
            # How long one client polls in a round; at least once.
            round_ms: 400,
            fresh_starts: 3,
            idle_seconds: 8,
            window_seconds: 25,
            # How many of our topologies watch in the idle window, so that what one costs can be seen at all.
            watchers: 50,
            reactions: 60,
            stock_reactions: 16,
            lateness_rounds: 4,
            lateness_ms: 2_500,
            topologies: 200,
            topology_members: 200,
            many_seconds: 20

  @type t :: %__MODULE__{}

  def quick do
    %__MODULE__{
      sizes: [10, 1_000],
      sources: [:endpoints],
      rounds: 3,
      round_ms: 200,
      fresh_starts: 1,
      idle_seconds: 3,
      window_seconds: 6,
      watchers: 20,
      reactions: 20,
      stock_reactions: 8,
      lateness_rounds: 2,
      lateness_ms: 1_500,
      topologies: 50,
      topology_members: 50,
      many_seconds: 5
    }
  end

  @doc "Longer or shorter windows, in seconds; nil leaves the plan's."
  def with_window(plan, nil), do: plan
  def with_window(plan, seconds), do: %{plan | window_seconds: seconds, many_seconds: seconds}

  @doc "The largest number of members."
  def largest(plan), do: Enum.max(plan.sizes)
end
