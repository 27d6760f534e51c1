defmodule LibclusterKubernetes.Diagnosis.Subject do
  @moduledoc false
  # Which topology is diagnosed, and the options that it has: those of the process that runs, else those in the
  # application environment of libcluster, else none, with a check that says why.

  alias LibclusterKubernetes.Diagnosis.Check
  alias LibclusterKubernetes.{Options, Strategy}
  alias LibclusterKubernetes.Strategy.Topologies

  @doc "The names of all topologies of this VM that run or are configured with this strategy."
  @spec names() :: [atom()]
  def names do
    Enum.uniq(Topologies.names() ++ Topologies.configured(Strategy))
  end

  @doc "The options of a topology, or `nil`, and the first check."
  @spec find(atom()) :: {Options.t() | nil, Check.t()}
  def find(name) do
    topology = Topologies.configured()[name]

    cond do
      pid = Topologies.whereis(name) -> ask(name, pid)
      topology == nil -> {nil, unknown(name)}
      topology[:strategy] != Strategy -> {nil, other_strategy(name, topology[:strategy])}
      true -> name |> check(topology[:config] || []) |> not_running(name)
    end
  end

  @doc "Checks a `config` as the start of the strategy does."
  @spec check(atom(), keyword()) :: {Options.t() | nil, Check.t()}
  def check(name, config) do
    options = Options.new!(name, config)
    {options, valid(options, "the options are valid")}
  rescue
    error in ArgumentError ->
      {nil,
       Check.failed(:options, Exception.message(error), "Correct the option: with it the strategy does not start.")}
  end

  defp ask(name, pid) do
    options = GenServer.call(pid, :options)
    {options, valid(options, "topology #{inspect(name)} runs, and its options are valid")}
  catch
    :exit, reason ->
      found = "the process of topology #{inspect(name)} does not answer: #{inspect(reason)}"
      {nil, Check.failed(:options, found, "Look for its crash in the log.")}
  end

  defp valid(%{idle: reason}, _found) when reason != nil do
    Check.failed(:options, reason, "Set it, or the environment variable that it comes from.")
  end

  defp valid(%{warnings: []}, found), do: Check.ok(:options, found)

  defp valid(%{warnings: warnings}, found) do
    Check.warning(:options, "#{found}, but #{Enum.join(warnings, "; ")}", "Correct or remove it.")
  end

  defp not_running({options, %{status: :failed} = check}, _name), do: {options, check}

  defp not_running({options, check}, name) do
    remedy =
      "Start it in the application's supervision tree: {Cluster.Supervisor, [topologies, [name: MyApp.ClusterSupervisor]]}."

    {options, Check.warning(:options, "#{check.found}, but no process runs topology #{inspect(name)}", remedy)}
  end

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
