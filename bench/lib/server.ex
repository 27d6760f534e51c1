defmodule LibclusterKubernetes.Bench.Server do
  @moduledoc """
  The API server that both strategies ask: the real one (`Server.Kube`) where `KUBEBUILDER_ASSETS` names it, else the
  fake one (`Server.Fake`).

  Each source and number of members has a namespace of its own, so that a list finds what it asks for and nothing else.
  """

  alias LibclusterKubernetes.Bench.{Proc, Realistic, Stats}
  alias LibclusterKubernetes.Bench.Server.{Fake, Kube}

  @enforce_keys [:implementation, :handle, :port, :account, :idle]
  defstruct @enforce_keys

  @type source :: :endpoints | :endpoint_slices | :pods
  @type t :: %__MODULE__{}

  @doc "Starts it; answers its handle, its URL and the folder of a service account that may list and watch everything."
  @callback start!() :: {struct(), String.t(), Path.t()}
  @doc "Creates Endpoints or an EndpointSlice, whose JSON this is."
  @callback create!(handle :: struct(), source(), namespace :: String.t(), name :: String.t(), json :: binary()) :: :ok
  @doc "Replaces what is in one."
  @callback replace!(handle :: struct(), source(), namespace :: String.t(), name :: String.t(), json :: binary()) :: :ok
  @doc "Creates a member's pod, with or without its status."
  @callback pod!(handle :: struct(), namespace :: String.t(), index :: non_neg_integer(), status? :: boolean()) :: :ok
  @doc "Gives a pod its status, whose JSON was prepared."
  @callback pod_status!(handle :: struct(), namespace :: String.t(), index :: non_neg_integer(), json :: binary()) ::
              :ok
  @callback namespace!(handle :: struct(), namespace :: String.t()) :: :ok
  @callback processes(handle :: struct()) :: [{atom(), pos_integer()}]
  @callback requests(handle :: struct()) :: non_neg_integer()
  @callback description(handle :: struct()) :: String.t()
  @callback stop(handle :: struct()) :: :ok

  @spec start!() :: t()
  def start! do
    implementation = if real?(), do: Kube, else: Fake
    {handle, url, account} = implementation.start!()
    %URI{port: port} = URI.parse(url)
    %__MODULE__{implementation: implementation, handle: handle, port: port, account: account, idle: %{}}
  end

  @doc "Whether the server is a real one."
  def real?, do: System.get_env("KUBEBUILDER_ASSETS") not in [nil, ""]

  def stop(server), do: server.implementation.stop(server.handle)

  @doc "What it is, in a few words."
  def description(server), do: server.implementation.description(server.handle)

  @doc "Its processes by name, with their ids."
  def processes(server), do: server.implementation.processes(server.handle)

  @doc "How many lists and watches it was asked for until now."
  def requests(server), do: server.implementation.requests(server.handle)

  ## Members

  @doc "The namespace with so many members of a source."
  def namespace(source, count), do: "#{source |> Atom.to_string() |> String.replace("_", "-")}-#{count}"

  @doc "Creates a namespace with so many members of a source."
  @spec populate!(t(), source(), String.t(), pos_integer()) :: :ok
  def populate!(server, source, namespace, count) do
    server.implementation.namespace!(server.handle, namespace)
    fill!(server, source, namespace, count)
  end

  defp fill!(server, :pods, namespace, count) do
    in_parallel(0..(count - 1), &server.implementation.pod!(server.handle, namespace, &1, true))
  end

  defp fill!(server, source, namespace, count) do
    0..(count - 1)
    |> Enum.chunk_every(per_object(source))
    |> Enum.with_index()
    |> in_parallel(fn {indexes, number} -> write_object!(server, source, namespace, number, indexes) end)
  end

  @doc """
  Prepares a change that adds one member, and answers its node name and the function that makes it. What it replaces is
  the last member of the last object; a pod is a new one, which gets its address.
  """
  @spec prepare_change!(t(), source(), String.t(), pos_integer(), pos_integer()) :: {String.t(), (... -> :ok)}
  def prepare_change!(server, source, namespace, count, number) do
    index = 1_000_000 + number
    {Realistic.node_name(index), prepared(server, source, namespace, count, index)}
  end

  defp prepared(server, :pods, namespace, _count, index) do
    server.implementation.pod!(server.handle, namespace, index, false)
    json = Realistic.json(%{status: Realistic.status(index)})
    fn -> server.implementation.pod_status!(server.handle, namespace, index, json) end
  end

  defp prepared(server, source, namespace, count, index) do
    first = div(count - 1, per_object(source)) * per_object(source)
    name = object_name(div(first, per_object(source)))
    json = source |> object(namespace, name, Enum.drop(first..(count - 1)//1, -1) ++ [index]) |> Realistic.json()
    fn -> server.implementation.replace!(server.handle, source, namespace, name, json) end
  end

  # What a controller makes of a Service, at most.
  defp per_object(:endpoints), do: 1_000
  defp per_object(:endpoint_slices), do: 100

  defp write_object!(server, source, namespace, number, indexes) do
    name = object_name(number)
    json = source |> object(namespace, name, indexes) |> Realistic.json()
    server.implementation.create!(server.handle, source, namespace, name, json)
  end

  defp object_name(number), do: "app-#{number}"

  defp object(:endpoints, namespace, name, indexes), do: Realistic.endpoints(namespace, name, indexes)
  defp object(:endpoint_slices, namespace, name, indexes), do: Realistic.endpoint_slice(namespace, name, indexes)

  @doc "Calls a function for each, a few at a time."
  def in_parallel(enumerable, fun) do
    enumerable
    |> Task.async_stream(fun, max_concurrency: 16, ordered: false, timeout: 60_000)
    |> Stream.run()
  end

  ## CPU

  @doc "Nanoseconds of CPU that each of its processes has used."
  def cpu(server), do: for({name, pid} <- processes(server), do: {name, Proc.cpu_ns(pid)})

  @doc """
  Measures what each of its processes uses while nobody asks, per second. Of so many seconds the median: what a short
  window most often has. `&Stats.mean/1` is for a long one.
  """
  def measure_idle(server, seconds, summary \\ &Stats.median/1) do
    samples =
      for _ <- 1..seconds do
        before = cpu(server)
        Process.sleep(1_000)
        for {name, now} <- cpu(server), do: {name, now - before[name]}
      end

    idle = for {name, _} <- hd(samples), into: %{}, do: {name, samples |> Enum.map(& &1[name]) |> summary.()}
    %{server | idle: idle}
  end
end
