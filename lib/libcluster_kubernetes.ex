defmodule LibclusterKubernetes do
  @external_resource readme = Path.join(__DIR__, "../README.md")
  @moduledoc readme |> File.read!() |> String.split("<!-- moduledoc -->") |> Enum.at(1, "")

  alias LibclusterKubernetes.{Await, Diagnosis, Info, Plain, Readiness}
  alias LibclusterKubernetes.Strategy.Topologies
  alias LibclusterKubernetes.Diagnosis.{Subject, Surroundings}

  @doc """
  What every topology of this VM that uses `LibclusterKubernetes.Strategy` knows and does at this moment.
  """
  @spec info() :: [Info.t()]
  def info do
    for topology <- Topologies.names(), {:ok, info} <- [info(topology)], do: info
  end

  @doc """
  What this topology knows and does at this moment: whether it watches, since when, whether the API fails and why, its
  members, and how many requests it made. See `t:LibclusterKubernetes.Info.t/0`.

  `{:error, :not_found}`: no process of this VM runs such a topology with `LibclusterKubernetes.Strategy`.

      iex> LibclusterKubernetes.info(:no_such_topology)
      {:error, :not_found}
  """
  @spec info(atom()) :: {:ok, Info.t()} | {:error, :not_found}
  def info(topology) do
    case Topologies.whereis(topology) do
      nil -> {:error, :not_found}
      pid -> {:ok, pid |> GenServer.call(:info) |> Info.locate(fn -> GenServer.call(pid, :options) end)}
    end
  catch
    # It has ended meanwhile.
    :exit, _reason -> {:error, :not_found}
  end

  @doc """
  What `info/1` and `diagnose/2` answer, as every JSON encoder takes it: maps with strings for keys, lists, strings, numbers,
  booleans and `nil`. Atoms become strings, times ISO 8601 and tuples lists.

      $ bin/my_app rpc "LibclusterKubernetes.diagnose(:k8s) |> LibclusterKubernetes.to_map() |> Jason.encode!() |> IO.puts()"
  """
  @spec to_map(Info.t() | Diagnosis.t()) :: %{String.t() => term()}
  def to_map(%module{} = found) when module in [Info, Diagnosis], do: Plain.new(found)

  @doc """
  Waits until this topology has formed its cluster, as far as one can know, and says how the waiting ended:

    * `{:ok, :answered}` - without `:peers`: the first answer of the API was acted on, which means that every ready member
      of it is connected or was tried once
    * `{:ok, :peers}` - with `:peers`: so many nodes are connected
    * `{:error, :timeout}` - that did not come in time, or no process of this VM runs the topology; at once where the
      topology is idle (see `LibclusterKubernetes.Options`)

  Blocks the caller only. `LibclusterKubernetes.Await` does the same as a child of a supervisor.

  Whoever is connected counts for `:peers`, whether or not an answer names it already; shells and other hidden nodes do not.
  While somebody waits for peers, members that are not ready are connected to as well: pods that become ready only after
  their start would otherwise wait for each other in vain.

  Raises `ArgumentError` where an argument is wrong.

      iex> LibclusterKubernetes.await(:no_such_topology, timeout: 0)
      {:error, :timeout}

  ## Options

    * `:peers` (default `nil`) - how many nodes, this one not counted, must be connected; `nil` waits for the first answer
      instead
    * `:timeout` (default `10_000`) - milliseconds after which it is over
  """
  @spec await(atom(), peers: pos_integer() | nil, timeout: non_neg_integer()) :: Await.ending()
  def await(topology, opts \\ []), do: Await.await(topology, opts)

  @doc """
  Whether this node is in its cluster, as far as one can know: for a readiness probe. See the guide to monitoring for when to
  use it, and when not.

  It is `true` from the moment at which there was an answer of the API and this node was connected to a member of it, or the
  answer named no ready member but this node. From then on it stays `true`, for as long as the VM runs: a failure of the API
  or of the network must not take all pods out of their Service at once. It is `false` where no process of this VM runs the
  topology with `LibclusterKubernetes.Strategy`.

      iex> LibclusterKubernetes.ready?(:no_such_topology)
      false
  """
  @spec ready?(atom()) :: boolean()
  def ready?(topology), do: Readiness.ready?(topology, fn -> info(topology) end)

  @doc """
  Says for every topology of this VM why its nodes do not connect: those that run, and those that are configured with
  `LibclusterKubernetes.Strategy`. See `diagnose/2`.
  """
  @spec diagnose() :: [Diagnosis.t()]
  def diagnose, do: Enum.map(Subject.names(), &diagnose/1)

  @doc """
  Says why the nodes of a topology do not connect.

  It goes the way from this node's name over the service account's files, the API server, the role and what is found there
  to the members, and looks at each step. What it finds is data and a table:

      iex> LibclusterKubernetes.diagnose(:k8s)

      $ bin/my_app rpc "IO.puts(LibclusterKubernetes.diagnose(:k8s))"

  `topology` is the name of one that runs or is in `config :libcluster, topologies: ...`, or in its place
  `config: [...]`, the config of one that does not:

      LibclusterKubernetes.diagnose(config: [kubernetes_node_basename: "my_app", kubernetes_selector: "app=my_app"])

  Options:

  * `:members` (default `10`) - how many members are looked at, those first that are not connected.
  * `:timeout` (default `5_000`) - milliseconds for a step of connecting to a member, which has two; they are looked at 16 at a time.

  It raises nothing on wrong options, which are a check that failed, and blocks its caller: for each step on the way to the
  API at most `kubernetes_request_timeout`, and none is tried after one that failed. The strategy is not disturbed. A member that is
  not connected sees a hidden node `BASENAME-diagnosis@HOST` come and go, or logs that it refused it.
  """
  @spec diagnose(atom() | keyword(), keyword()) :: Diagnosis.t()
  def diagnose(topology, opts \\ [])

  def diagnose(topology, opts) when is_atom(topology) do
    Diagnosis.run(topology, Subject.find(topology), Surroundings.now(), opts)
  end

  def diagnose(config_and_opts, opts) when is_list(config_and_opts) do
    {config, more} = Keyword.pop!(config_and_opts, :config)
    Diagnosis.run(:config, Subject.check(:config, config), Surroundings.now(), Keyword.merge(more, opts))
  end
end
