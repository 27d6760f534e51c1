defmodule LibclusterKubernetes.Bench.Client.Subject do
  @moduledoc """
  One of the two strategies in a client's VM, started as an application starts it: by `Cluster.Supervisor`.
  """

  alias LibclusterKubernetes.Bench.Client.{Completion, Recorder}

  @type who :: :ours | :stock

  @doc """
  Starts topologies, given with their `config`; answers how long the supervisor's start took, in microseconds, and when
  it began, in those of the system's clock.
  """
  @spec start(who(), [{atom(), keyword()}], String.t() | nil) :: %{blocked: integer(), began: integer()}
  def start(who, topologies, cluster_domain) do
    # The only way to give libcluster's strategy a port; ours takes a URL.
    if cluster_domain, do: System.put_env("CLUSTER_DOMAIN", cluster_domain)

    described =
      for {name, config} <- topologies, do: {name, [strategy: strategy(who), config: config] ++ Recorder.mfas(name)}

    began = System.os_time(:microsecond)
    {blocked, {:ok, supervisor}} = :timer.tc(fn -> Cluster.Supervisor.start_link([described]) end)
    pids = for {_, pid, _, _} <- Supervisor.which_children(supervisor), do: pid
    :persistent_term.put(__MODULE__, {who, pids})
    %{blocked: blocked, began: began}
  end

  @doc "Which strategy runs here, and the processes of its topologies."
  @spec running() :: {who(), [pid()]}
  def running, do: :persistent_term.get(__MODULE__)

  @doc "Polls so many times, one after the other with a pause between; how long each took, in microseconds."
  @spec polls(pos_integer(), non_neg_integer()) :: [pos_integer()]
  def polls(count, pause_ms) do
    case running() do
      {:ours, [pid]} -> Completion.observed(fn -> polls(:ours, pid, count, pause_ms) end)
      {:stock, [pid]} -> polls(:stock, pid, count, pause_ms)
    end
  end

  defp polls(who, pid, count, pause_ms) do
    for _ <- 1..count do
      Process.sleep(pause_ms)
      {time, :ok} = :timer.tc(fn -> poll(who, pid) end)
      time
    end
  end

  @doc "Loads the NIF, and answers how long that took, in microseconds."
  @spec load_nif() :: pos_integer()
  def load_nif do
    {time, {:module, _}} = :timer.tc(fn -> Code.ensure_loaded(nif()) end)
    time
  end

  defp poll(:ours, pid) do
    send(pid, :tick)
    :ok = Completion.await()
    # Its state would be a copy of all members.
    _ = GenServer.call(pid, :options, 60_000)
    :ok
  end

  # It answers when it is done with what came before.
  defp poll(:stock, pid) do
    send(pid, :load)
    _ = :sys.get_state(pid, 60_000)
    :ok
  end

  # lib/libcluster_kubernetes/native/library.ex
  defp nif do
    {:ok, modules} = :application.get_key(:libcluster_kubernetes, :modules)
    Enum.find(modules, &String.starts_with?("#{&1}", "Elixir.LibclusterKubernetes.Native.V"))
  end

  defp strategy(:ours), do: LibclusterKubernetes.Strategy
  defp strategy(:stock), do: Cluster.Strategy.Kubernetes
end
