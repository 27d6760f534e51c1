defmodule LibclusterKubernetes.Bench.Plan do
  @moduledoc "How much is measured: the default takes about half an hour, `--quick` less than three minutes."

  @parts ["many", "poll", "start", "idle", "lateness", "change", "reaction"]

  defstruct parts: @parts,
            sizes: [10, 100, 1_000, 5_000],
            # The size of what is measured at one size only, and of what is compared.
            size: 1_000,
            sources: [:endpoints, :endpoint_slices, :pods],
            # Each round measures every client once.
            rounds: 5,
            # How long one client polls in a round, at least once; and at the size that is compared, so long that the server's
            # garbage collector has its share in every round.
            round_ms: 500,
            compared_round_ms: 3_000,
            fresh_starts: 3,
            changes: 500,
            # What the server does by itself: beside polls, and beside an idle hour.
            idle_seconds: 8,
            baseline_seconds: 240,
            # The stock strategy's part of an idle hour.
            window_seconds: 30,
            # How many of our topologies of each source watch in the idle window, so that what one costs can be seen; each
            # watch ends once in it.
            watchers: 100,
            watch_seconds: 300,
            reactions: 40,
            stock_reactions: 16,
            lateness_rounds: 9,
            lateness_ms: 1_500,
            topologies: 200,
            topology_members: 200,
            many_rounds: 3,
            many_seconds: 15

  @type t :: %__MODULE__{}

  def quick do
    %__MODULE__{
      # A watch lasts for minutes, so that there is no idle hour.
      parts: @parts -- ["idle"],
      sizes: [10, 1_000],
      sources: [:endpoints],
      rounds: 3,
      round_ms: 200,
      compared_round_ms: 500,
      fresh_starts: 1,
      changes: 200,
      idle_seconds: 3,
      baseline_seconds: 10,
      reactions: 20,
      stock_reactions: 4,
      lateness_rounds: 3,
      lateness_ms: 1_000,
      topologies: 50,
      topology_members: 50,
      many_rounds: 1,
      many_seconds: 5
    }
  end

  @doc "What there is to measure."
  def parts, do: @parts

  @doc "How long one client polls in a round, of so many members."
  def round_ms(%{size: members} = plan, members), do: plan.compared_round_ms
  def round_ms(plan, _members), do: plan.round_ms

  @doc "The largest number of members."
  def largest(plan), do: Enum.max(plan.sizes)
end
