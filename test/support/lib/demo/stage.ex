defmodule LibclusterKubernetes.Test.Demo.Stage do
  @moduledoc "Where the acts play: the fake API server, the pods, and what their nodes have said so far."

  alias LibclusterKubernetes.Test.FakeApiserver
  alias LibclusterKubernetes.Test.Demo.{Cluster, Files, Line, Pod, Watch}

  @enforce_keys [:work, :port, :cookie, :began]
  defstruct [
    # The demo's folder; the distribution port and the cookie of all nodes.
    :work,
    :port,
    :cookie,
    :server,
    # When it began, and when the API was last well again: monotonic, in milliseconds.
    :began,
    :well_at,
    # When the EndpointSlice was last written: microseconds since 1970, as the nodes' times are.
    :named_at,
    cluster: Cluster.new(),
    # All pods in the order of their starts, those whose nodes are to be alive, and the port of each that is.
    pods: [],
    running: [],
    ports: %{},
    # The pod whose links may be lost, or `:anybody`.
    leaver: nil,
    # The pods whose joins are measured now, and how long each join has taken, in microseconds.
    newcomers: [],
    latencies: [],
    # How many requests the API saw while joins were measured.
    meanwhile: 0
  ]

  @type t :: %__MODULE__{}
  @type pod :: Line.pod()

  # What VMs that end in order may take, before they end with the process that started them: milliseconds.
  @farewell 6_000

  @doc "An empty stage. `port` is the distribution port of all nodes, or `\"\"`."
  @spec new(Path.t(), String.t()) :: t()
  def new(work, port) do
    cookie = "demo" <> Base.encode16(:crypto.strong_rand_bytes(8), case: :lower)
    %__MODULE__{work: work, port: port, cookie: cookie, began: Watch.now()}
  end

  @doc "Starts the API server, and watches standard input."
  @spec open(t()) :: t()
  def open(stage) do
    # A port whose program has ended is not to end this process.
    Process.flag(:trap_exit, true)

    case Pod.free_port(stage.port) do
      {:ok, port} ->
        stage = %{stage | port: port, server: FakeApiserver.start!()}
        Files.write_commands(stage)
        Watch.input()
        stage

      {:error, text} ->
        Watch.fail(stage, text)
    end
  end

  @doc "Ends all nodes in order, and the API server."
  @spec close(t()) :: :ok
  def close(stage) do
    Enum.each(stage.ports, fn {_pod, port} -> Pod.terminate(port) end)
    Watch.ends(Map.values(stage.ports), @farewell)
    if stage.server, do: FakeApiserver.stop(stage.server), else: :ok
  end

  @doc "Starts the nodes of these pods, and waits until they say so. The EndpointSlice does not name them by that."
  @spec start_pods(t(), [pod()]) :: t()
  def start_pods(stage, pods) do
    pods
    |> Enum.reduce(stage, &start_pod(&2, &1))
    |> Watch.until(30, "#{Enum.join(pods, ", ")} started", fn stage ->
      Enum.all?(pods, &(&1 in stage.cluster.started))
    end)
  end

  defp start_pod(stage, pod) do
    Files.write_account(stage, pod)
    port = Pod.start(stage.work, pod)
    %{stage | ports: Map.put(stage.ports, pod, port), pods: stage.pods ++ [pod], running: stage.running ++ [pod]}
  end

  @doc "Ends the node of a pod in order, and waits for its end."
  @spec stop_pod(t(), pod()) :: t()
  def stop_pod(stage, pod) do
    Pod.terminate(stage.ports[pod])
    stage = %{stage | running: List.delete(stage.running, pod)}
    Watch.until(stage, 10, "#{pod} stopped", &(not is_map_key(&1.ports, pod)))
  end

  @doc "Makes these, and no others, the endpoints of the EndpointSlice."
  @spec name(t(), [pod()]) :: t()
  def name(stage, pods) do
    slice = Files.slice(pods)
    named_at = System.os_time(:microsecond)
    FakeApiserver.control!(stage.server, :put, Files.slice_path(), slice)
    %{stage | named_at: named_at}
  end
end
