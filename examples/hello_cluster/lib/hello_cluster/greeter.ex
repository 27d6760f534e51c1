defmodule HelloCluster.Greeter do
  @moduledoc """
  Prints one line on stdout for each node that joins or leaves, as this node sees it:

      hello_cluster@10.1.0.7: started (1 in the cluster)
      hello_cluster@10.1.0.7: joined hello_cluster@10.1.0.8 (2 in the cluster)
      hello_cluster@10.1.0.7: left hello_cluster@10.1.0.8 (1 in the cluster)

  The demo and the tests read these lines; keep their form.
  """
  use GenServer

  @doc "Options: `:device`, where the lines go; default `:stdio`."
  def start_link(options), do: GenServer.start_link(__MODULE__, options, name: options[:name])

  def child_spec(options) do
    super(Keyword.put_new(options, :name, __MODULE__))
  end

  @impl GenServer
  def init(options) do
    device = Keyword.get(options, :device, :stdio)
    :ok = :net_kernel.monitor_nodes(true)
    IO.puts(device, "#{node()}: started (1 in the cluster)")

    # After a restart of this process nodes may be connected already.
    {:ok, Enum.reduce(Node.list(), {device, MapSet.new()}, &joined/2)}
  end

  @impl GenServer
  def handle_info({:nodeup, node}, state), do: {:noreply, joined(node, state)}
  def handle_info({:nodedown, node}, state), do: {:noreply, left(node, state)}

  # The others are counted here and not with Node.list/0, which may be several events ahead.
  defp joined(node, {device, others}) do
    if node in others,
      do: {device, others},
      else: tell("joined", node, {device, MapSet.put(others, node)})
  end

  defp left(node, {device, others}) do
    if node in others,
      do: tell("left", node, {device, MapSet.delete(others, node)}),
      else: {device, others}
  end

  defp tell(event, node, {device, others} = state) do
    IO.puts(device, "#{node()}: #{event} #{node} (#{MapSet.size(others) + 1} in the cluster)")
    state
  end
end
