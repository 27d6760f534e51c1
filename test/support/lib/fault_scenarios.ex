defmodule LibclusterKubernetes.Test.FaultScenarios do
  @moduledoc """
  Everything that an API server, a network, a disk or somebody in between can do: a table in parts. `Fault` says how a
  fault is written, `FaultRun` what must hold meanwhile and afterwards.
  """

  alias LibclusterKubernetes.Test.FaultScenarios.{Account, Connection, Http, Lists, Objects, Statuses, Watches}

  @sources [:endpoints, :endpoint_slices, :pods]
  @modes [:poll, :watch, :relist]

  @enforce_keys [:name, :fault]
  defstruct [
    :name,
    :fault,
    # `:poll`, `:watch` and `:relist`: watching, but the history is gone.
    modes: @modes,
    # Another one in each mode, or these in every mode.
    sources: :rotate,
    # The kinds that are logged; with `nil` among them, or nothing at all.
    kinds: [],
    # How often the reason may change, and whether failures may end and begin again.
    changes: 0,
    incidents: 1,
    # Lines about other matters, such as an address that has no name.
    notices: 0,
    # Whether answers show the truth while the fault lasts: `:hidden`, `:visible` or `:either`.
    truth: :hidden,
    # When the truth changes: `:first`, `:during` or `:after` the fault.
    change: :during,
    # What shows that it strikes: `:error`, a counter of the server and by how much it grows, or `:none`.
    struck: :error,
    # Whether to wait until it strikes again after the truth has changed.
    again?: true,
    # For so many answers to system messages more, it lasts.
    hold: nil,
    # The counter that grows when a client hangs in it.
    hangs: nil,
    # What the server asks for beyond the five seconds: milliseconds, or `:forever`.
    patience: 0,
    # Options of the topology.
    config: [],
    # Whether a second topology is stopped while it lasts.
    second?: true
  ]

  @doc "All of them, in the order of the table."
  def all do
    for part <- [Connection, Http, Statuses, Lists, Objects, Watches, Account],
        {name, fault, options} <- part.scenarios(),
        do: struct!(__MODULE__, [name: name, fault: fault] ++ options)
  end

  @doc "The sources to run in this mode; with FAULTS_SOURCES=all every one."
  def sources(%{sources: :all}, _mode), do: @sources
  def sources(%{sources: sources}, _mode) when is_list(sources), do: sources

  def sources(%{sources: :rotate} = scenario, mode) do
    turn = :erlang.phash2(scenario.name) + Enum.find_index(@modes, &(&1 == mode))
    if System.get_env("FAULTS_SOURCES") == "all", do: @sources, else: [Enum.at(@sources, rem(turn, 3))]
  end
end
