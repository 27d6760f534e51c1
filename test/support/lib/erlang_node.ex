defmodule LibclusterKubernetes.Test.ErlangNode do
  @moduledoc """
  Real Erlang nodes `app@127.0.0.N`, all on one distribution port, each with `Cluster.Supervisor` and topologies of its
  own. Each is a process of the system that tells the test, as `{:node, ip, "nodeup app@127.0.0.3"}`, what it sees, and
  as `{:node_log, ip, line}` what it logs, and ends with the test. `call/4` runs a function there without distribution.
  """

  alias LibclusterKubernetes.Test.Topology

  @cookie "libcluster-kubernetes-test"
  @supervisor __MODULE__.Supervisor

  @doc "A port that is free on the loopback addresses of the nodes, as far as one can know."
  def free_port do
    {:ok, socket} = :gen_tcp.listen(0, ip: {127, 0, 0, 2})
    {:ok, port} = :inet.port(socket)
    :ok = :gen_tcp.close(socket)
    port
  end

  @doc "Starts a node with these topologies, in the form of `config :libcluster, topologies: ...`."
  def start(ip, port, topologies) do
    owner = launch(ip, port, topologies)
    await_started(ip)
    owner
  end

  @doc """
  The same, but does not wait for it. `env` is added to the environment of the node; `distribution` are the arguments that
  name it and say how nodes find the ports of others, by default on one port without epmd.
  """
  def launch(ip, port, topologies, env \\ [], distribution \\ nil) do
    test = self()
    distribution = distribution || without_epmd(["-name", "app@#{ip}"])

    spawn_link(fn ->
      erl = System.find_executable("erl")

      options = [
        :binary,
        args: distribution ++ arguments(ip, port),
        env: env ++ environment(port, topologies),
        line: 65_536
      ]

      forward(Port.open({:spawn_executable, erl}, options), ip, test)
    end)
  end

  @doc "The arguments of a node with this name on the port that all nodes have."
  def without_epmd(name), do: name ++ ~w(-start_epmd false -epmd_module Elixir.HelloCluster.Epmd)

  def await_started(ip, limit \\ 20_000) do
    receive do
      {:node, ^ip, "started"} -> :ok
    after
      limit -> raise "the node app@#{ip} did not start"
    end
  end

  @doc "The operating system's id of a node that has started."
  def os_pid(owner) do
    send(owner, {:os_pid, self()})

    receive do
      {^owner, {:os_pid, pid}} -> pid
    after
      5_000 -> raise "the node's process did not answer"
    end
  end

  @doc "What the function answers when the node calls it."
  def call(owner, module, function, args) do
    send(owner, {:call, self(), {module, function, args}})

    receive do
      {^owner, answer} -> answer
    after
      5_000 -> raise "the node did not answer"
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
    spawn_link(&report/0)
    spawn(&serve/0)
  end

  @doc "To be called on a node: kills the processes of its topologies, and waits until others have taken their place."
  def kill_strategies do
    pids = strategies()
    Enum.each(pids, &Process.exit(&1, :kill))
    Topology.wait_until(fn -> length(strategies() -- pids) == length(pids) end)
  end

  @doc "To be called on a node: stops its `Cluster.Supervisor`, and starts another one."
  def restart_supervisor do
    :ok = Supervisor.stop(@supervisor)
    start_supervisor()
    :ok
  end

  @doc "To be called on a node: stops its topologies, as an application that stops does."
  def stop_supervisor, do: Supervisor.stop(@supervisor)

  @doc "An explicit disconnect, for the `disconnect` of a topology."
  def disconnect(node), do: :erlang.disconnect_node(node)

  @doc "For the `list_nodes` of a topology: it hangs once `hang/0` was called on the node."
  def list_nodes do
    if Process.whereis(:hanging), do: Process.sleep(:infinity)
    :erlang.nodes(:connected)
  end

  @doc "To be called on a node: from now on `list_nodes/0` hangs."
  def hang, do: Process.register(self(), :hanging)

  @doc "To be called on a node: sends to another one, which stands still, until its connection takes no more."
  def fill(node, full \\ 0)
  def fill(_node, 5), do: :full

  def fill(node, full) do
    case :erlang.send({:nobody, node}, :binary.copy(<<0>>, 1_000_000), [:noconnect, :nosuspend]) do
      :ok ->
        fill(node)

      # What it has taken may be on its way to the socket.
      :nosuspend ->
        receive do
        after
          50 -> fill(node, full + 1)
        end
    end
  end

  defp arguments(ip, port) do
    ~w(-noshell -setcookie #{@cookie}) ++
      ~w(-kernel inet_dist_listen_min #{port} inet_dist_listen_max #{port}) ++
      ["inet_dist_use_interface", "{#{String.replace(ip, ".", ",")}}"] ++
      ["-pa" | Enum.map(:code.get_path(), &to_string/1)] ++
      ["-s", "Elixir.LibclusterKubernetes.Test.ErlangNode", "main"]
  end

  defp environment(port, topologies) do
    [
      {~c"HELLO_DIST_PORT", Integer.to_charlist(port)},
      {~c"TEST_TOPOLOGIES", topologies |> :erlang.term_to_binary() |> Base.encode64() |> to_charlist()}
    ]
  end

  defp start_supervisor do
    topologies = "TEST_TOPOLOGIES" |> System.fetch_env!() |> Base.decode64!() |> :erlang.binary_to_term()
    {:ok, _} = Cluster.Supervisor.start_link([topologies, [name: @supervisor]])
  end

  defp strategies do
    for {_topology, pid, _, _} <- Supervisor.which_children(@supervisor), is_pid(pid), do: pid
  end

  # The pipe from the test closes when the test ends, however it ends.
  defp serve do
    case IO.read(:stdio, :line) do
      line when is_binary(line) ->
        {module, function, args} = line |> String.trim() |> Base.decode64!() |> :erlang.binary_to_term()
        answer = apply(module, function, args)
        IO.puts("answer #{answer |> :erlang.term_to_binary() |> Base.encode64()}")
        serve()

      _end ->
        System.halt(0)
    end
  end

  defp report do
    :ok = :net_kernel.monitor_nodes(true)
    start_supervisor()
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

  # The node answers in turn.
  defp forward(port, ip, test, callers \\ :queue.new()) do
    receive do
      {:os_pid, caller} ->
        send(caller, {self(), Port.info(port, :os_pid)})
        forward(port, ip, test, callers)

      {:call, caller, call} ->
        Port.command(port, [call |> :erlang.term_to_binary() |> Base.encode64(), ?\n])
        forward(port, ip, test, :queue.in(caller, callers))

      {^port, {:data, {_, "answer " <> answer}}} ->
        {{:value, caller}, callers} = :queue.out(callers)
        send(caller, {self(), answer |> Base.decode64!() |> :erlang.binary_to_term()})
        forward(port, ip, test, callers)

      {^port, {:data, {_, line}}} ->
        event? = line == "started" or String.starts_with?(line, "node")
        send(test, {if(event?, do: :node, else: :node_log), ip, line})
        forward(port, ip, test, callers)
    end
  end
end
