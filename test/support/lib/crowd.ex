defmodule LibclusterKubernetes.Test.Crowd do
  @moduledoc """
  Many real Erlang nodes on one API server: how long they take to become a full mesh once one write names them all, what
  that costs, and which links are lost on the way.

  Both strategies can run on them, so `bench/mesh` compares what a test asserts of one. A node is a number: 6 is
  `app@127.0.0.6`, or of the network that `new/3` is told.
  """

  alias LibclusterKubernetes.Test.ErlangNode

  @enforce_keys [:topology, :write, :network, :env, :port]
  defstruct @enforce_keys ++ [owners: %{}, up: MapSet.new(), lost: 0]

  @type t :: %__MODULE__{}
  @typedoc "`wall` and `cpu` (of all nodes) in milliseconds, and how often a node lost another one."
  @type result :: %{wall: non_neg_integer(), cpu: non_neg_integer(), lost: non_neg_integer()}

  # As many VMs boot at once as leave a machine of two cores some air.
  @at_once 4

  @doc """
  Nobody yet. `write` names these addresses, and no others, in one write; `topology` are the strategy and its config.

  Options: `:network` (the first three numbers of the addresses), `:env` (the environment of each node).
  """
  @spec new(([String.t()] -> term()), keyword(), keyword()) :: t()
  def new(write, topology, opts \\ []) do
    %__MODULE__{
      topology: topology,
      write: write,
      network: Keyword.get(opts, :network, "127.0.0"),
      env: Keyword.get(opts, :env, []),
      port: ErlangNode.free_port()
    }
  end

  @doc "Starts these nodes, a few at a time."
  @spec start(t(), Enumerable.t()) :: t()
  def start(crowd, numbers) do
    numbers
    |> Enum.chunk_every(@at_once)
    |> Enum.reduce(crowd, fn some, crowd ->
      owners = Map.new(some, &{&1, launch(crowd, &1)})
      for number <- some, do: ErlangNode.await_started(ip(crowd, number), 120_000)
      %{crowd | owners: Map.merge(crowd.owners, owners)}
    end)
  end

  @doc "Names these nodes, and no others, in one write."
  def name(crowd, numbers) do
    crowd.write.(Enum.map(numbers, &ip(crowd, &1)))
    crowd
  end

  @doc "Calls a function of a module on each node."
  def call(crowd, module, function, args) do
    for {_number, owner} <- crowd.owners, do: ErlangNode.call(owner, module, function, args)
  end

  @doc """
  Does what is to connect each node to each, and waits until it is so and has been for a while. That while is in none of
  the figures, but for links that are lost in it.

  Options: `:limit` and `:while` (milliseconds).
  """
  @spec measure(t(), (t() -> t()), keyword()) :: {result(), t()}
  def measure(crowd, act, opts \\ []) do
    limit = Keyword.get(opts, :limit, 120_000)
    before = cpu(crowd)
    began = now()
    crowd = act.(%{crowd | lost: 0})
    crowd = await(crowd, now() + limit)
    result = %{wall: now() - began, cpu: cpu(crowd) - before}
    crowd = crowd |> listen(now() + Keyword.get(opts, :while, 3_000)) |> await(now() + limit)
    {Map.put(result, :lost, crowd.lost), crowd}
  end

  @doc "Ends all nodes."
  def stop(crowd) do
    for {_number, owner} <- crowd.owners, do: ErlangNode.kill(owner)
    flush()
  end

  defp ip(crowd, number), do: "#{crowd.network}.#{number}"

  defp launch(crowd, number), do: ErlangNode.launch(ip(crowd, number), crowd.port, [k8s: crowd.topology], crowd.env)

  defp whole?(crowd), do: MapSet.size(crowd.up) == map_size(crowd.owners) * (map_size(crowd.owners) - 1)

  defp await(crowd, deadline) do
    if whole?(crowd) do
      crowd
    else
      receive do
        {:node, ip, line} -> crowd |> heard(ip, line) |> await(deadline)
      after
        max(deadline - now(), 0) ->
          links = "#{MapSet.size(crowd.up)} ends of links, #{crowd.lost} lost"
          raise "no full mesh: #{links}; one of the nodes says:\n#{logged()}"
      end
    end
  end

  defp listen(crowd, deadline) do
    receive do
      {:node, ip, line} -> crowd |> heard(ip, line) |> listen(deadline)
    after
      max(deadline - now(), 0) -> crowd
    end
  end

  defp heard(crowd, ip, "nodeup app@" <> other), do: %{crowd | up: MapSet.put(crowd.up, {ip, other})}

  defp heard(crowd, ip, "nodedown app@" <> other) do
    %{crowd | up: MapSet.delete(crowd.up, {ip, other}), lost: crowd.lost + 1}
  end

  defp heard(crowd, _ip, _started), do: crowd

  # What the nodes have used, threads of the NIF included, in milliseconds: the operating system's ticks, 100 a second.
  defp cpu(crowd) do
    Enum.sum(for {_number, owner} <- crowd.owners, do: owner |> ErlangNode.os_pid() |> ticks()) * 10
  end

  # The name in parentheses may have spaces; utime and stime are the 14th and 15th of all fields.
  defp ticks(pid) do
    [_, rest] = "/proc/#{pid}/stat" |> File.read!() |> String.split(") ", parts: 2)
    rest |> String.split() |> Enum.slice(11, 2) |> Enum.map(&String.to_integer/1) |> Enum.sum()
  end

  defp logged do
    receive do
      {:node_log, ip, line} -> "#{ip}: #{line}\n" <> logged_by(ip, 20)
    after
      0 -> "nothing"
    end
  end

  defp logged_by(_ip, 0), do: ""

  defp logged_by(ip, count) do
    receive do
      {:node_log, ^ip, line} -> "#{line}\n" <> logged_by(ip, count - 1)
    after
      0 -> ""
    end
  end

  defp flush do
    receive do
      {kind, _ip, _line} when kind in [:node, :node_log] -> flush()
    after
      100 -> :ok
    end
  end

  defp now, do: System.monotonic_time(:millisecond)
end
