defmodule LibclusterKubernetes.Test.Soak do
  @moduledoc """
  Several topologies at once, each with a server of its own, under random changes of the truth and random faults: no
  topology may do what the truth does not allow (`Soak.Model`), each must be right at every quiet moment (`Soak.Lane`),
  and the VM must stay level (`Soak.Resources`).

      bin/soak [--minutes N] [--seed S]
  """

  alias LibclusterKubernetes.Test.Soak.{Lane, Resources}
  alias LibclusterKubernetes.Test.Topology

  # Two of each kind.
  @kinds for _ <- 1..2, source <- [:endpoints, :endpoint_slices, :pods], watch <- [:auto, false], do: {source, watch}
  @lanes for {{source, watch}, number} <- Enum.with_index(@kinds, 1), do: {number, source, watch}

  @doc "The command: exit code 0, or 1 and what is wrong."
  def main(args) do
    {options, []} = OptionParser.parse!(args, strict: [minutes: :integer, seed: :integer])
    run(Keyword.get(options, :minutes, 30) * 60_000, Keyword.get_lazy(options, :seed, &seed/0), 60_000)
  rescue
    error ->
      IO.puts(:stderr, Exception.message(error))
      System.halt(1)
  end

  @doc "The seed of the environment, or a new one."
  def seed do
    case System.get_env("SOAK_SEED") do
      nil -> :rand.uniform(1_000_000)
      seed -> String.to_integer(seed)
    end
  end

  @doc "Runs for so long, prints what was done (with `:progress` every so many milliseconds) and raises what is wrong."
  def run(milliseconds, seed, progress \\ :infinity) do
    IO.puts("\nsoak of #{div(milliseconds, 1_000)} s, SOAK_SEED=#{seed} (which repeats the steps, not their timing)")
    level = Logger.level()
    Logger.configure(level: :error)

    try do
      soak(milliseconds, seed, progress)
    after
      Logger.configure(level: level)
    end
  end

  defp soak(milliseconds, seed, progress) do
    Resources.load_all()
    discoveries = Resources.discoveries()
    started = now()
    test = self()
    tasks = for lane <- @lanes, do: Task.async(fn -> Lane.run(lane, seed, started + milliseconds, test) end)

    state = %{
      running: MapSet.new(tasks, & &1.ref),
      stats: %{},
      samples: [],
      progress: progress,
      started: started,
      told: started
    }

    # Until the first of them may end.
    every = max(100, div(milliseconds, 300))
    for at <- every..milliseconds//every, do: Process.send_after(self(), :sample, at)
    state = watch(state, "soak with SOAK_SEED=#{seed}: ")
    Topology.wait_until(fn -> Resources.discoveries() == discoveries end, 1_000)
    {thirds, grown} = Resources.compare(Enum.reverse(state.samples))
    IO.puts(report(merged(state), thirds))
    if grown != [], do: raise("soak with SOAK_SEED=#{seed}: not level: #{inspect(grown)}, see above")
  end

  # Until all topologies have ended, or one with an error.
  defp watch(%{running: running} = state, prefix) do
    receive do
      {:round, name, stats} ->
        watch(%{state | stats: Map.put(state.stats, name, stats)}, prefix)

      :sample ->
        watch(told(%{state | samples: [Resources.sample() | state.samples]}), prefix)

      {ref, {:error, what}} when is_reference(ref) ->
        raise prefix <> what

      {ref, {:ok, _stats}} when is_reference(ref) ->
        Process.demonitor(ref, [:flush])
        running = MapSet.delete(running, ref)
        if Enum.empty?(running), do: state, else: watch(%{state | running: running}, prefix)
    end
  end

  defp told(state) do
    if now() - state.told < state.progress do
      state
    else
      seconds = div(now() - state.started, 1_000)
      IO.puts("#{seconds} s: #{summary(merged(state))}; #{Resources.describe(hd(state.samples))}")
      %{state | told: now()}
    end
  end

  defp merged(state) do
    Enum.reduce(state.stats, %{}, fn {_name, stats}, all ->
      Map.merge(all, stats, fn
        {:slowest, _what}, one, other -> max(one, other)
        _what, one, other -> one + other
      end)
    end)
  end

  defp summary(stats) do
    number = &Map.get(stats, &1, 0)
    faults = Enum.sum(for {{:fault, _}, count} <- stats, do: count)

    "#{number.(:writes)} changes, #{faults} faults, #{number.(:lost)} losses, #{number.(:restarted)} restarts, " <>
      "#{number.(:killed)} kills, #{number.(:connects)} connects, #{number.(:disconnects)} disconnects, " <>
      "#{number.(:checks)} quiet moments (right after #{number.({:slowest, :recovery})} ms at most)"
  end

  defp report(stats, thirds) do
    faults = for {{:fault, kind}, count} <- Enum.sort(stats), do: "#{count} #{kind}"

    """
    #{summary(stats)}
    those that may watch did at #{stats[{:watching, true}]} of their quiet moments, and polled at \
    #{stats[{:watching, false}] || 0}; the slowest answer to a system message took #{stats[{:slowest, :answer}]} ms
    faults: #{Enum.join(faults, ", ")}
    medians of each third: #{Enum.map_join(thirds, " | ", &Resources.describe/1)}\
    """
  end

  defp now, do: System.monotonic_time(:millisecond)
end
