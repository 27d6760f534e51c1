defmodule LibclusterKubernetes.Test.ErlangNode do
  @moduledoc """
  Real Erlang nodes `app@127.0.0.N`, all on one distribution port, each with `Cluster.Supervisor` and topologies of its
  own. Each is a process of the system that tells the test, as `{:node, ip, "nodeup app@127.0.0.3"}`, what it sees, and
  as `{:node_log, ip, line}` what it logs, and ends with the test.
  """

  @cookie "libcluster-kubernetes-test"

  @doc "A port that is free on the loopback addresses of the nodes, as far as one can know."
  def free_port do
    {:ok, socket} = :gen_tcp.listen(0, ip: {127, 0, 0, 2})
    {:ok, port} = :inet.port(socket)
    :ok = :gen_tcp.close(socket)
    port
  end

  @doc "Starts a node with these topologies, in the form of `config :libcluster, topologies: ...`."
  def start(ip, port, topologies) do
    test = self()

    owner =
      spawn_link(fn ->
        erl = System.find_executable("erl")
        options = [:binary, args: arguments(ip, port), env: environment(port, topologies), line: 65_536]
        forward(Port.open({:spawn_executable, erl}, options), ip, test)
      end)

    receive do
      {:node, ^ip, "started"} -> owner
    after
      20_000 -> raise "the node app@#{ip} did not start"
    end
  end

  @doc "Ends a node as a crash would."
  def kill(owner) do
    Process.unlink(owner)
    Process.exit(owner, :kill)
  end

  @doc false
  # The entry of the node itself.
  def main do
    {:ok, _} = Application.ensure_all_started(:elixir)
    {:ok, _} = Application.ensure_all_started(:libcluster_kubernetes)
    # The pipe from the test closes when the test ends, however it ends.
    spawn(fn ->
      IO.read(:stdio, :line)
      System.halt(0)
    end)

    topologies = "TEST_TOPOLOGIES" |> System.fetch_env!() |> Base.decode64!() |> :erlang.binary_to_term()
    spawn_link(fn -> report(topologies) end)
  end

  defp arguments(ip, port) do
    ~w(-noshell -name app@#{ip} -setcookie #{@cookie} -start_epmd false -epmd_module Elixir.HelloCluster.Epmd) ++
      ~w(-kernel inet_dist_listen_min #{port} inet_dist_listen_max #{port}) ++
      ["inet_dist_use_interface", "{#{String.replace(ip, ".", ",")}}"] ++
      ["-pa" | Enum.map(:code.get_path(), &to_string/1)] ++
      ["-s", "Elixir.LibclusterKubernetes.Test.ErlangNode", "main"]
  end

  defp environment(port, topologies) do
    [
      {'HELLO_DIST_PORT', Integer.to_charlist(port)},
      {'TEST_TOPOLOGIES', topologies |> :erlang.term_to_binary() |> Base.encode64() |> to_charlist()}
    ]
  end

  defp report(topologies) do
    :ok = :net_kernel.monitor_nodes(true)
    {:ok, _} = Cluster.Supervisor.start_link([topologies])
    IO.puts("started")
    # Others may have connected before this process monitored, or while it did.
    Node.list() |> Enum.map(&{:nodeup, &1}) |> Enum.reduce(MapSet.new(), &tell/2) |> report_events()
  end

  defp report_events(up) do
    receive do
      {event, node} when event in [:nodeup, :nodedown] -> {event, node} |> tell(up) |> report_events()
    end
  end

  defp tell({event, node}, up) do
    if event == :nodeup == node in up do
      up
    else
      IO.puts("#{event} #{node}")
      if event == :nodeup, do: MapSet.put(up, node), else: MapSet.delete(up, node)
    end
  end

  defp forward(port, ip, test) do
    receive do
      {^port, {:data, {_, "started" = line}}} -> send(test, {:node, ip, line})
      {^port, {:data, {_, "node" <> _ = line}}} -> send(test, {:node, ip, line})
      {^port, {:data, {_, line}}} -> send(test, {:node_log, ip, line})
    end

    forward(port, ip, test)
  end
end
