defmodule Cluster.StrategyContract do
  use ExUnit.Case, async: false

  import ExUnit.CaptureLog

  alias Cluster.{Probe, Strategy}

  @a :"app@10.0.0.1"
  @b :"app@10.0.0.2"

  setup do
    Probe.watch_events(
      for action <- [:connect_node, :disconnect_node], outcome <- [:ok, :error] do
        [:libcluster, action, outcome]
      end
    )
  end

  defp act(result), do: {Probe, :act, [self(), result]}
  defp listing(nodes), do: {Probe, :list, [nodes]}

  # The result and the log of a call on topology :t.
  defp run(function, result, listed, nodes) do
    with_log(fn -> apply(Strategy, function, [:t, act(result), listing(listed), nodes]) end)
  end

  describe "connect_nodes/4" do
    test "connects to the nodes that are not connected yet" do
      {result, log} = run(:connect_nodes, true, [@a], [@a, @b])

      assert result == :ok
      assert_received {:called, @b}
      refute_received {:called, @a}
      assert log =~ "[info]"
      assert log =~ ~S([libcluster:t] connected to :"app@10.0.0.2")
      refute log =~ "10.0.0.1"
      assert_received {:event, [:libcluster, :connect_node, :ok], measurements, metadata}
      assert [duration: duration] = Map.to_list(measurements)
      assert is_integer(duration) and duration >= 0
      assert metadata == %{node: @b, topology: :t}
      refute_received {:event, _, _, _}
    end

    test "never connects to this node" do
      assert {:ok, ""} = run(:connect_nodes, true, [], [Node.self()])
      refute_received {:called, _}
    end

    test "lists an unreachable node with false and goes on" do
      {result, log} = run(:connect_nodes, false, [], [@a, @b])

      assert {:error, bad} = result
      assert Enum.sort(bad) == [{@a, false}, {@b, false}]
      assert_received {:called, @a}
      assert_received {:called, @b}
      assert log =~ "[warning]"
      assert log =~ ~S([libcluster:t] unable to connect to :"app@10.0.0.1")
      assert_received {:event, [:libcluster, :connect_node, :error], measurements, metadata}
      assert measurements == %{}
      assert %{topology: :t, reason: :unreachable, node: _} = metadata
    end

    test "lists a node with :ignored when this node is not alive" do
      {result, log} = run(:connect_nodes, :ignored, [], [@a])

      assert result == {:error, [{@a, :ignored}]}
      assert log =~ "[warning]"
      assert log =~ ~S([libcluster:t] unable to connect to :"app@10.0.0.1": not part of network)
      assert_received {:event, [:libcluster, :connect_node, :error], %{}, metadata}
      assert metadata == %{node: @a, topology: :t, reason: :not_part_of_network}
    end

    test "raises on any other result" do
      assert_raise_any(fn -> run(:connect_nodes, {:error, :nope}, [], [@a]) end)
    end

    test "raises when a function is not exported with the node as last argument" do
      assert_raise RuntimeError, "Elixir.Cluster.Probe.nothing/1 is undefined!", fn ->
        Strategy.connect_nodes(:t, {Probe, :nothing, []}, listing([]), [@a])
      end

      assert_raise RuntimeError, "Elixir.Cluster.Probe.list/0 is undefined!", fn ->
        Strategy.connect_nodes(:t, act(true), {Probe, :list, []}, [])
      end
    end

    test "does not look at the connect function when there is nothing to connect" do
      assert :ok = Strategy.connect_nodes(:t, {Probe, :nothing, []}, listing([@a]), [@a])
    end
  end

  describe "disconnect_nodes/4" do
    test "disconnects from the nodes that are connected" do
      {result, log} = run(:disconnect_nodes, true, [@a, Node.self()], [@a, @b, Node.self()])

      assert result == :ok
      assert_received {:called, @a}
      refute_received {:called, _}
      assert log =~ "[info]"
      assert log =~ ~S([libcluster:t] disconnected from :"app@10.0.0.1")
      assert_received {:event, [:libcluster, :disconnect_node, :ok], %{duration: _}, metadata}
      assert metadata == %{node: @a, topology: :t}
    end

    test "warns about a connection that is gone, which is no error" do
      {result, log} = run(:disconnect_nodes, false, [@a], [@a])

      assert result == :ok
      assert log =~ "[warning]"

      assert log =~
               ~S([libcluster:t] disconnect from :"app@10.0.0.1" failed because we're already disconnected)

      assert_received {:event, [:libcluster, :disconnect_node, :error], measurements, metadata}
      assert measurements == %{}
      assert metadata == %{node: @a, topology: :t, reason: :already_disconnected}
    end

    test "warns when this node is not alive, which is no error" do
      {result, log} = run(:disconnect_nodes, :ignored, [@a], [@a])

      assert result == :ok

      assert log =~
               ~S([libcluster:t] disconnect from :"app@10.0.0.1" failed because it is not part of the network)

      assert_received {:event, [:libcluster, :disconnect_node, :error], %{}, metadata}
      assert metadata == %{node: @a, topology: :t, reason: :not_part_of_network}
    end

    test "lists a node with any other result as its reason" do
      {result, log} = run(:disconnect_nodes, {:error, :nope}, [@a, @b], [@a, @b])

      assert {:error, bad} = result
      assert Enum.sort(bad) == [{@a, {:error, :nope}}, {@b, {:error, :nope}}]

      assert log =~
               ~S([libcluster:t] disconnect from :"app@10.0.0.1" failed with: {:error, :nope})

      assert_received {:event, [:libcluster, :disconnect_node, :error], %{}, metadata}
      assert %{topology: :t, reason: "{:error, :nope}"} = metadata
    end

    test "raises when a function is not exported" do
      assert_raise RuntimeError, "Elixir.Cluster.Probe.nothing/1 is undefined!", fn ->
        Strategy.disconnect_nodes(:t, {Probe, :nothing, []}, listing([@a]), [@a])
      end
    end
  end

  describe "use Cluster.Strategy" do
    defmodule Default do
      use Cluster.Strategy

      @impl true
      def start_link([state]), do: Agent.start_link(fn -> state end)
    end

    defmodule Overridden do
      use Cluster.Strategy

      @impl true
      def start_link([state]), do: Agent.start_link(fn -> state end)

      @impl true
      def child_spec(args), do: args |> super() |> Map.put(:shutdown, 1_000)
    end

    test "defines a child spec for a worker" do
      assert Default.child_spec([:state]) ==
               %{id: Default, type: :worker, start: {Default, :start_link, [[:state]]}}
    end

    test "lets the strategy override it" do
      assert %{id: Overridden, shutdown: 1_000} = Overridden.child_spec([:state])
    end
  end

  defp assert_raise_any(function) do
    function.()
  rescue
    _exception -> :ok
  else
    _ -> flunk("expected an exception")
  end
end
