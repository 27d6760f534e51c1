defmodule Cluster.SupervisorContract do
  use ExUnit.Case, async: true

  alias Cluster.Strategy.State

  defmodule Recorder do
    use Cluster.Strategy

    @impl true
    def start_link([%State{config: config} = state]) do
      if test = config[:test], do: send(test, {:started, state})
      Agent.start_link(fn -> state end)
    end
  end

  test "starts one strategy per topology with complete states", %{test: name} do
    topologies = [
      plain: [strategy: Recorder, config: [test: self(), key: 1]],
      custom: [
        strategy: Recorder,
        config: [test: self()],
        connect: {:m, :connect, [1]},
        disconnect: {:m, :disconnect, [2]},
        list_nodes: {:m, :list, [3]}
      ]
    ]

    pid = start_supervised!({Cluster.Supervisor, [topologies, [name: name]]})
    assert Process.whereis(name) == pid

    assert_received {:started, %State{topology: :plain} = plain}
    assert plain.config == [test: self(), key: 1]
    assert plain.connect == {:net_kernel, :connect_node, []}
    assert plain.disconnect == {:erlang, :disconnect_node, []}
    assert plain.list_nodes == {:erlang, :nodes, [:connected]}
    assert plain.meta == nil

    assert_received {:started, %State{topology: :custom} = custom}
    assert custom.connect == {:m, :connect, [1]}
    assert custom.disconnect == {:m, :disconnect, [2]}
    assert custom.list_nodes == {:m, :list, [3]}

    assert [:custom, :plain] =
             pid |> Supervisor.which_children() |> Enum.map(&elem(&1, 0)) |> Enum.sort()
  end

  test "takes the topologies alone" do
    pid = start_supervised!({Cluster.Supervisor, [[bare: [strategy: Recorder]]]})

    assert [{:bare, strategy, :worker, _}] = Supervisor.which_children(pid)
    assert %State{topology: :bare, config: []} = Agent.get(strategy, & &1)
  end

  test "takes no topologies at all" do
    pid = start_supervised!({Cluster.Supervisor, [[]]})
    assert Supervisor.which_children(pid) == []
  end

  test "is a supervisor to its parent" do
    assert %{id: Cluster.Supervisor, type: :supervisor, start: start} =
             Cluster.Supervisor.child_spec([[], [name: :x]])

    assert start == {Cluster.Supervisor, :start_link, [[[], [name: :x]]]}
  end

  test "refuses a topology without strategy" do
    assert {:error, {{%KeyError{key: :strategy}, _stack}, _child}} =
             start_supervised({Cluster.Supervisor, [[none: [config: []]]]})
  end

  test "restarts a strategy that dies" do
    topologies = [again: [strategy: Recorder, config: [test: self()]]]
    pid = start_supervised!({Cluster.Supervisor, [topologies]})
    assert_received {:started, %State{topology: :again}}

    [{:again, strategy, _, _}] = Supervisor.which_children(pid)
    Process.exit(strategy, :kill)

    assert_receive {:started, %State{topology: :again}}, 5_000
  end
end
