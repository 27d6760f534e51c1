defmodule LibclusterKubernetes.Await do
  @moduledoc """
  Holds up the start of an application until its cluster is there, for those that relied on the blocking start of
  libcluster's strategy.

      children = [
        {Cluster.Supervisor, [topologies, [name: MyApp.ClusterSupervisor]]},
        {LibclusterKubernetes.Await, topology: :k8s, peers: 1, timeout: 10_000},
        MyApp.Singleton
      ]

  It is a child without a process: its supervisor starts the children after it when the waiting is over, however it
  ended. That is logged where it was the timeout.

  It waits only for a topology that runs and is not idle, so `Cluster.Supervisor` stands before it. Where none runs, as on
  a laptop without topologies, it holds up nothing; that is a warning where the topology is configured all the same, or
  where others run.

  ## Options

    * `:topology` (required) - the name of the topology in `config :libcluster`
    * `:peers` (default `nil`) and `:timeout` (default `10_000`) - as for `LibclusterKubernetes.await/2`
  """

  require Logger

  alias LibclusterKubernetes.Strategy
  alias LibclusterKubernetes.Strategy.Topologies

  @typedoc "How the waiting ended, see `LibclusterKubernetes.await/2`."
  @type ending :: {:ok, :answered | :peers} | {:error, :timeout}

  # How often a topology that is not there is looked for, in milliseconds.
  @look_again 20
  # The process of a topology tells when the time is over, and has so many milliseconds more for it. One that hangs, in a
  # `list_nodes` of somebody's own, tells nothing.
  @grace 500
  @longest 0xFFFFFFFF

  @defaults [peers: nil, timeout: 10_000]

  @doc false
  def child_spec(opts) do
    {topology, _opts} = child_options!(opts)
    %{id: {__MODULE__, topology}, start: {__MODULE__, :start_link, [opts]}, restart: :temporary}
  end

  @doc false
  @spec start_link(keyword()) :: :ignore
  def start_link(opts) do
    {topology, opts} = child_options!(opts)
    # libcluster's supervisor starts its topologies before the children after it.
    case Topologies.whereis(topology) do
      nil -> pass(topology, Topologies.names())
      pid -> unless idle?(pid), do: hold_up(topology, opts)
    end

    :ignore
  end

  # Then nobody will ever come, which its process has said.
  defp idle?(pid) do
    GenServer.call(pid, :options).idle != nil
  catch
    # It restarts.
    :exit, _reason -> false
  end

  defp hold_up(topology, opts) do
    if await(topology, opts) == {:error, :timeout} do
      warn(
        "the start goes on without what was waited for: topology #{inspect(topology)}, #{inspect(opts)}. " <>
          "LibclusterKubernetes.diagnose(#{inspect(topology)}) says what is missing"
      )
    end
  end

  defp pass(topology, running) do
    cond do
      topology in Topologies.configured(Strategy) ->
        warn(
          "the start goes on without waiting: topology #{inspect(topology)} is configured, but no process runs it. " <>
            "{Cluster.Supervisor, [topologies, [name: MyApp.ClusterSupervisor]]} must be a child before LibclusterKubernetes.Await"
        )

      running != [] ->
        warn(
          "the start goes on without waiting: no topology #{inspect(topology)} runs with LibclusterKubernetes.Strategy, " <>
            "but #{Enum.map_join(running, ", ", &inspect/1)}"
        )

      true ->
        Logger.debug("[libcluster_kubernetes] nothing to wait for: no topology #{inspect(topology)} runs")
    end
  end

  defp warn(text), do: Logger.warning("[libcluster_kubernetes] " <> text)

  @doc false
  @spec await(atom(), keyword()) :: ending()
  def await(topology, opts) do
    opts = options!(topology, opts)
    until = System.monotonic_time(:millisecond) + opts[:timeout]
    await_process(topology, opts[:peers], until)
  end

  defp await_process(topology, peers, until) do
    left = until - System.monotonic_time(:millisecond)

    case {Topologies.whereis(topology), max(left, 0)} do
      {_pid_or_nil, 0} ->
        {:error, :timeout}

      {nil, left} ->
        look_again(topology, peers, until, left)

      {pid, left} ->
        try do
          GenServer.call(pid, {:await, peers, left}, min(left + @grace, @longest))
        catch
          # It restarts, or hangs.
          :exit, _reason -> look_again(topology, peers, until, left)
        end
    end
  end

  defp look_again(topology, peers, until, left) do
    receive do
    after
      min(left, @look_again) -> await_process(topology, peers, until)
    end
  end

  defp child_options!(opts) do
    unless Keyword.keyword?(opts) and Keyword.has_key?(opts, :topology) do
      raise ArgumentError,
            "LibclusterKubernetes.Await needs the name of a topology, as in {LibclusterKubernetes.Await, topology: :k8s}, " <>
              "but got #{inspect(opts)}"
    end

    {topology, opts} = Keyword.pop!(opts, :topology)
    {topology, options!(topology, opts)}
  end

  defp options!(topology, opts) do
    unless is_atom(topology) and topology != nil do
      raise ArgumentError,
            "a topology is waited for by its name, an atom as in config :libcluster, not by #{inspect(topology)}"
    end

    unless Keyword.keyword?(opts), do: raise(ArgumentError, "options are a keyword list, not #{inspect(opts)}")
    Enum.each(opts, &check!/1)
    Keyword.merge(@defaults, opts)
  end

  defp check!({:peers, nil}), do: :ok
  defp check!({:peers, peers}) when is_integer(peers) and peers > 0, do: :ok
  defp check!({:timeout, timeout}) when timeout in 0..@longest, do: :ok

  defp check!({:peers, other}),
    do: wrong!(:peers, other, "nil or a number of members, at least 1, this node not counted")

  defp check!({:timeout, other}), do: wrong!(:timeout, other, "milliseconds, an integer from 0 to 4294967295 (50 days)")

  defp check!({name, _}),
    do: raise(ArgumentError, "the option #{inspect(name)} is unknown: there are :peers and :timeout")

  defp wrong!(name, value, expected) do
    raise ArgumentError, "the option #{name} is #{inspect(value)}, but must be #{expected}"
  end
end
