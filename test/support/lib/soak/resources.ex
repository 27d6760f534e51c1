defmodule LibclusterKubernetes.Test.Soak.Resources do
  @moduledoc """
  What the VM holds, and whether it stays level: the median of the last third of a run compared with that of the second
  one. The first is the warm-up.

  Medians, because each restart and each request to a fake server is a passing thread or descriptor. What leaks with
  each step, fault or restart grows by hundreds in a third.
  """

  # How much more is still level, as a share and as a number.
  @tolerance %{
    # A topology that is being restarted has two for a moment.
    threads: {0, 2},
    # Connections to the control ports come and go.
    descriptors: {0, 8},
    # All names are made and all modules loaded at the start.
    atoms: {0, 10},
    # Garbage that has not been collected yet.
    memory_mb: {0.05, 2},
    # And what malloc keeps for each of its arenas, which fill one after the other.
    resident_mb: {0.05, 5}
  }

  @type sample :: %{atom() => number()}

  @doc "Loads what rare errors would load later, with all its atoms."
  def load_all do
    for app <- [:kernel, :stdlib, :inets, :elixir, :logger, :libcluster, :libcluster_kubernetes],
        module <- Application.spec(app, :modules),
        do: Code.ensure_loaded(module)

    :ok
  end

  @spec sample() :: sample()
  def sample do
    status = File.read!("/proc/self/status")

    %{
      threads: field(status, "Threads"),
      descriptors: length(File.ls!("/proc/self/fd")),
      atoms: :erlang.system_info(:atom_count),
      memory_mb: div(:erlang.memory(:total), 1_000_000),
      resident_mb: div(field(status, "VmRSS"), 1_000)
    }
  end

  @doc "How many threads of native/discovery there are, by the names that it gives them."
  def discoveries do
    "/proc/self/task/*/comm" |> Path.wildcard() |> Enum.count(&match?({:ok, "k8s-" <> _}, File.read(&1)))
  end

  @doc "The medians of each third, and what has grown."
  @spec compare([sample()]) :: {[sample()], [atom()]}
  def compare(samples) do
    [_warm_up, before, later] =
      thirds = samples |> Enum.chunk_every(max(1, div(length(samples), 3))) |> Enum.take(3) |> Enum.map(&medians/1)

    grown = for {what, {share, number}} <- @tolerance, later[what] > before[what] * (1 + share) + number, do: what

    {thirds, grown}
  end

  def describe(sample), do: Enum.map_join(sample, ", ", fn {what, number} -> "#{what} #{number}" end)

  defp medians(samples) do
    Map.new(@tolerance, fn {what, _} ->
      {what, samples |> Enum.map(& &1[what]) |> Enum.sort() |> Enum.at(div(length(samples), 2))}
    end)
  end

  defp field(status, name) do
    [_, number] = Regex.run(~r/^#{name}:\s+([0-9]+)/m, status)
    String.to_integer(number)
  end
end
