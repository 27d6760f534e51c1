defmodule LibclusterKubernetes.Test.FaultScenarios do
  @moduledoc """
  Everything that an API server, a network, a disk or somebody in between can do, one line each. `Fault` says how a
  fault is written, `FaultRun` what must hold meanwhile and afterwards.
  """

  import LibclusterKubernetes.Test.Answers

  @sources [:endpoints, :endpoint_slices, :pods]

  @enforce_keys [:name, :fault]
  defstruct [
    :name,
    :fault,
    # `:poll`, `:watch` and `:relist`: watching, but the history is gone.
    modes: [:poll, :watch, :relist],
    # `:all`, or the sources of one mode after the other.
    sources: :rotate,
    # What is logged, and how often the reason may change; `nil` among the kinds: or nothing at all.
    kinds: [],
    changes: 0,
    # Lines of other matters, such as an address that has no name.
    notices: 0,
    # Whether answers show the truth while the fault lasts: `:hidden`, `:visible` or `:either`.
    truth: :hidden,
    # When the truth changes: `:first`, `:during` or `:after` the fault.
    change: :during,
    # What shows that it strikes: `:error`, a counter of the server and by how much it grows, or `:none`.
    struck: :error,
    # Whether to wait until it strikes again after the truth has changed.
    again?: true,
    # For so many probes more, it lasts.
    hold: nil,
    # The counter that grows when a client hangs in it.
    hangs: nil,
    # What the server asked for beyond the five seconds: milliseconds, or `:forever`.
    patience: 0,
    # Options of the topology.
    config: [],
    # Whether a second topology is stopped while it lasts.
    second?: true,
    # What the library does wrong; it runs only when asked for.
    known: nil
  ]

  @doc "The sources to run in this mode."
  def sources(%{sources: :all}, _mode), do: @sources

  def sources(%{sources: :rotate} = scenario, mode) do
    turn = :erlang.phash2(scenario.name) + Enum.find_index([:poll, :watch, :relist], &(&1 == mode))
    [Enum.at(@sources, rem(turn, 3))]
  end

  @doc "All of them, in the order of the table."
  def all, do: connections()

  defp connections do
    quick = [kubernetes_request_timeout: 1_000]
    network = [modes: [:poll, :watch]]

    [
      scenario("refused", :refused, [kinds: [:connect], changes: 1] ++ network),
      scenario("a reset before TLS", {:accept, "reset"}, [kinds: [:connect, :tls], changes: 1] ++ network),
      scenario("closed before TLS", {:accept, "close"}, [kinds: [:connect, :tls], changes: 1] ++ network),
      scenario(
        "hangs before TLS",
        {:accept, "hang"},
        [kinds: [:timeout], hangs: "connections_accepted", config: quick] ++ network
      ),
      scenario(
        "hangs inside TLS",
        {:accept, "hang_in_handshake"},
        [kinds: [:timeout], hangs: "connections_accepted", config: quick] ++ network
      ),
      scenario("hangs before the head", {:request, "hang"}, kinds: [:timeout], hangs: "requests", config: quick),
      scenario("hangs in the head", {:request, %{hang_after_bytes: 40}},
        kinds: [:timeout],
        hangs: "requests",
        config: quick
      ),
      scenario("a reset", {:request, "reset"}, kinds: [:connect]),
      scenario("503", {:request, %{status: %{code: 503}}}, kinds: [:server], sources: :all),
      scenario("a list of wrong JSON", {:list, &raw(http(200, "{oops#{&1.token}"))},
        kinds: [:malformed],
        modes: [:poll, :relist]
      )
    ]
  end

  defp scenario(name, fault, options), do: struct!(__MODULE__, [name: name, fault: fault] ++ options)
end
