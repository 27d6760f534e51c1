defmodule LibclusterKubernetes do
  @external_resource readme = Path.join(__DIR__, "../README.md")
  @moduledoc readme |> File.read!() |> String.split("<!-- moduledoc -->") |> Enum.at(1, "")

  alias LibclusterKubernetes.{Await, Holdings, Info}

  @doc """
  What every topology of this VM that uses `LibclusterKubernetes.Strategy` knows and does at this moment.
  """
  @spec info() :: [Info.t()]
  def info do
    for topology <- Holdings.topologies(), {:ok, info} <- [info(topology)], do: info
  end

  @doc """
  What this topology knows and does at this moment: whether it watches, since when, its last success and error, its
  members, and how many requests it made. See `t:LibclusterKubernetes.Info.t/0`.

  `{:error, :not_found}`: no process of this VM runs such a topology with `LibclusterKubernetes.Strategy`.

      iex> LibclusterKubernetes.info(:no_such_topology)
      {:error, :not_found}
  """
  @spec info(atom()) :: {:ok, Info.t()} | {:error, :not_found}
  def info(topology) do
    case Holdings.whereis(topology) do
      nil -> {:error, :not_found}
      pid -> {:ok, GenServer.call(pid, :info)}
    end
  catch
    # It has ended meanwhile.
    :exit, _reason -> {:error, :not_found}
  end

  @doc """
  Waits until this topology has formed its cluster, as far as one can know, and says how the waiting ended:

    * `:answered` - without `:peers`: the first answer of the API was acted on, which means that every ready member of it
      is connected or was tried once
    * `:peers` - so many members are connected
    * `:timeout` - neither came in time, or the topology is not running

  Blocks the caller only. `LibclusterKubernetes.Await` does the same as a child of a supervisor.

  ## Options

    * `:peers` (default `nil`) - how many members, this node not counted, must be connected; `nil` waits for the first
      answer instead
    * `:timeout` (default `10_000`) - milliseconds after which it is over
  """
  @spec await(atom(), peers: pos_integer() | nil, timeout: non_neg_integer()) :: Await.ending()
  def await(topology, opts \\ []), do: Await.await(topology, opts)
end
