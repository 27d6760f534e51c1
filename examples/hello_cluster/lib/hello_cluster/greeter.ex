defmodule HelloCluster.Greeter do
  @moduledoc """
  Prints one line on stdout for each node that joins or leaves, as this node sees it:

      hello_cluster@10.1.0.7: started (1 in the cluster)
      hello_cluster@10.1.0.7: joined hello_cluster@10.1.0.8 (2 in the cluster)
      hello_cluster@10.1.0.7: left hello_cluster@10.1.0.8 (1 in the cluster)

  With `HELLO_TIMESTAMPS=true` each line ends with the time of the event in seconds since 1970, as in
  `(2 in the cluster) at 1785432100.123456`.

  The demo and the tests read these lines; keep their form.
  """
  use GenServer

  @doc "Options: `:device`, where the lines go, default `:stdio`; `:timestamps`, default `false`."
  def start_link(options), do: GenServer.start_link(__MODULE__, options, name: options[:name])

  def child_spec(options) do
    super(Keyword.put_new(options, :name, __MODULE__))
  end

  @impl GenServer
  def init(options) do
    output = {Keyword.get(options, :device, :stdio), Keyword.get(options, :timestamps, false)}
    :ok = :net_kernel.monitor_nodes(true)
    tell(output, "started", 1)

    # After a restart of this process nodes may be connected already.
    {:ok, Enum.reduce(Node.list(), {output, MapSet.new()}, &joined/2)}
  end

  @impl GenServer
  def handle_info({:nodeup, node}, state), do: {:noreply, joined(node, state)}
  def handle_info({:nodedown, node}, state), do: {:noreply, left(node, state)}

  # The others are counted here and not with Node.list/0, which may be several events ahead.
  defp joined(node, {output, others}) do
    if node in others,
      do: {output, others},
      else: changed("joined", node, {output, MapSet.put(others, node)})
  end

  defp left(node, {output, others}) do
    if node in others,
      do: changed("left", node, {output, MapSet.delete(others, node)}),
      else: {output, others}
  end

  defp changed(event, node, {output, others} = state) do
    tell(output, "#{event} #{node}", MapSet.size(others) + 1)
    state
  end

  defp tell({device, timestamps}, event, size) do
    time = if timestamps, do: " at #{timestamp()}"
    IO.puts(device, "#{node()}: #{event} (#{size} in the cluster)#{time}")
  end

  defp timestamp do
    microseconds = System.os_time(:microsecond)
    fraction = microseconds |> rem(1_000_000) |> Integer.to_string() |> String.pad_leading(6, "0")
    "#{div(microseconds, 1_000_000)}.#{fraction}"
  end
end
