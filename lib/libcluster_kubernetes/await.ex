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

  ## Options

    * `:topology` (required) - the name of the topology in `config :libcluster`
    * `:peers` (default `nil`) and `:timeout` (default `10_000`) - as for `LibclusterKubernetes.await/2`
  """

  require Logger

  alias LibclusterKubernetes.Strategy.Topologies

  @typedoc "How the waiting ended, see `LibclusterKubernetes.await/2`."
  @type ending :: :answered | :peers | :timeout

  # How often a topology that is not there is looked for, in milliseconds.
  @look_again 20

  @doc false
  def child_spec(opts) do
    %{id: {__MODULE__, Keyword.fetch!(opts, :topology)}, start: {__MODULE__, :start_link, [opts]}, restart: :temporary}
  end

  @doc false
  @spec start_link(keyword()) :: :ignore
  def start_link(opts) do
    {topology, opts} = Keyword.pop!(opts, :topology)

    if await(topology, opts) == :timeout do
      Logger.warning(
        "[libcluster_kubernetes] the start goes on without what was waited for: topology #{inspect(topology)}, " <>
          "#{inspect(opts)}. LibclusterKubernetes.diagnose(#{inspect(topology)}) says what is missing"
      )
    end

    :ignore
  end

  @doc false
  @spec await(atom(), keyword()) :: ending()
  def await(topology, opts) do
    opts = Keyword.merge([peers: nil, timeout: 10_000], opts)
    until = System.monotonic_time(:millisecond) + opts[:timeout]
    await_process(topology, opts[:peers], until)
  end

  defp await_process(topology, peers, until) do
    left = until - System.monotonic_time(:millisecond)

    case {Topologies.whereis(topology), max(left, 0)} do
      {_pid_or_nil, 0} ->
        :timeout

      {nil, left} ->
        look_again(topology, peers, until, left)

      {pid, left} ->
        try do
          # Nobody will ever come.
          if GenServer.call(pid, :options).idle,
            do: :timeout,
            else: GenServer.call(pid, {:await, peers, left}, :infinity)
        catch
          # It restarts.
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
end
