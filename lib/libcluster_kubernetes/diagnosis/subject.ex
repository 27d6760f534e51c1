defmodule LibclusterKubernetes.Diagnosis.Subject do
  @moduledoc false
  # Which topology is diagnosed, whether a process runs it, and the options that it has: those of the process, else those in
  # the application environment of libcluster, else none, with a check that says why.

  alias LibclusterKubernetes.Diagnosis.{Check, Surroundings}
  alias LibclusterKubernetes.{Options, Strategy}
  alias LibclusterKubernetes.Strategy.Topologies

  @doc "The names of all topologies of this VM that run or are configured with this strategy."
  @spec names() :: [atom()]
  def names do
    Enum.uniq(Topologies.names() ++ Topologies.configured(Strategy))
  end

  @typedoc """
  The options, or `nil` where there are none to go on with, what was found of them, and what the process says of itself, if
  the topology is to have one.
  """
  @type t :: %{options: Options.t() | nil, check: Check.t(), process: map() | :missing | nil}

  @spec find(atom()) :: t()
  def find(name) do
    topology = Topologies.configured()[name]

    cond do
      pid = Topologies.whereis(name) -> ask(name, pid)
      topology == nil -> found(nil, unknown(name), :missing)
      topology[:strategy] != Strategy -> found(nil, other_strategy(name, topology[:strategy]), :missing)
      true -> %{check(name, topology[:config] || []) | process: :missing}
    end
  end

  @doc "Checks a `config` as the start of the strategy does."
  @spec check(atom(), keyword()) :: t()
  def check(name, config) do
    options = Options.new!(name, config)
    found(options, valid(options, "the options are valid"), nil)
  rescue
    error in ArgumentError ->
      remedy = "Correct the option: with it the strategy does not start."
      found(nil, Check.failed(:options, Exception.message(error), remedy), nil)
  end

  defp found(options, check, process), do: %{options: options, check: check, process: process}

  defp ask(name, pid) do
    options = GenServer.call(pid, :options)
    check = valid(options, "topology #{inspect(name)} runs, and its options are valid")
    found(options, check, GenServer.call(pid, :info))
  catch
    :exit, reason ->
      found = "the process of topology #{inspect(name)} does not answer: #{inspect(reason)}"
      found(nil, Check.failed(:options, found, "Look for its crash in the log."), :missing)
  end

  defp valid(%{idle: reason}, _found) when reason != nil do
    Check.failed(:options, reason, "Set it, or the environment variable that it comes from.")
  end

  defp valid(%{warnings: []}, found), do: Check.ok(:options, found)

  defp valid(%{warnings: warnings}, found) do
    Check.warning(:options, "#{found}, but #{Enum.join(warnings, "; ")}", "Correct or remove it.")
  end

  @doc "Whether there is a process to do it: nothing else matters where there is not."
  @spec running(atom(), Surroundings.t()) :: [Check.t()]
  def running(name, %{process: :missing} = surroundings) do
    cond do
      Surroundings.eval?(surroundings) ->
        [Check.skipped(:process, "this VM, of eval, runs no topology")]

      not Topologies.started?() ->
        found = "no process runs topology #{inspect(name)}: the application libcluster_kubernetes is not started"
        [Check.failed(:process, found, "Start the application that depends on it: it is to start its supervisor, too.")]

      true ->
        found = "no process runs topology #{inspect(name)}, though it is configured"

        remedy =
          "Start it in the application's supervision tree, by the child {Cluster.Supervisor, [topologies, [name: " <>
            "MyApp.ClusterSupervisor]]}."

        [Check.failed(:process, found, remedy)]
    end
  end

  def running(_name, _surroundings), do: []

  defp unknown(name) do
    known = if names() == [], do: "there is none", else: "there are #{Enum.map_join(names(), ", ", &inspect/1)}"
    found = "no topology #{inspect(name)} runs here or is in config :libcluster, topologies: #{known}"
    Check.failed(:options, found, "Name one of these, or hand in its config: diagnose(config: [...]).")
  end

  defp other_strategy(name, strategy) do
    found = "the strategy of topology #{inspect(name)} is #{inspect(strategy)}, which this does not diagnose"
    Check.failed(:options, found, "Set strategy: LibclusterKubernetes.Strategy; the config can stay.")
  end
end
