# Five real Erlang nodes and the rule for who is let go of: what implausible answers cost (nothing), and how live nodes
# that are gone leave. Each module is a part that runs at the same time as the others.

defmodule LibclusterKubernetes.Judging.ImplausibleTest do
  use ExUnit.Case, async: true

  alias LibclusterKubernetes.Strategy.Departure
  alias LibclusterKubernetes.Test.{FakeApiserver, Mesh}

  @moduletag :linux
  @moduletag timeout: 120_000

  for mode <- [:poll, :watch] do
    @tag mode: mode
    test "a Service that is deleted and made again costs no link, whoever asks meanwhile: #{mode}", %{mode: mode} do
      mesh = Mesh.start!(2..6, source: :endpoints, mode: mode)

      Mesh.see(mesh, [])
      for number <- 2..6, do: Mesh.assert_log(number, "the list that is to confirm it is empty")
      # An outsider with the same selector, which believes what it sees.
      verdicts = Mesh.call(mesh, 6, Departure, :ask, [Enum.map(2..5, &Mesh.node/1), :k8s])
      assert Enum.sort(verdicts) == for(number <- 2..5, do: {Mesh.node(number), :stays})
      Mesh.assert_quiet(3_000)

      Mesh.see(mesh, 2..6)
      Mesh.assert_quiet(1_000)
    end

    @tag mode: mode
    test "answers with other pods, as of an etcd that was restored, cost no link: #{mode}", %{mode: mode} do
      mesh = Mesh.start!(2..6, source: :endpoint_slices, mode: mode)

      Mesh.see(mesh, [201, 202, 203, 204, 205, 206])
      for number <- 2..6, do: Mesh.assert_log(number, "names nobody of this cluster of 5")
      Mesh.assert_quiet(3_000)

      Mesh.see(mesh, [2, 3, 201, 202])
      for number <- 2..6, do: Mesh.assert_log(number, "3 of this cluster of 5, which is more than half")
      Mesh.assert_quiet(3_000)

      Mesh.see(mesh, 2..6)
      Mesh.assert_quiet(1_000)
    end

    @tag mode: mode
    test "Endpoints that are cut short cost no link: #{mode}", %{mode: mode} do
      mesh = Mesh.start!(2..6, source: :endpoints, mode: mode)

      truncated = %{labels: %{app: "app"}, annotations: %{"endpoints.kubernetes.io/over-capacity" => "truncated"}}
      endpoints = %{FakeApiserver.endpoints(Enum.map(2..5, &Mesh.ip/1)) | metadata: truncated}
      Mesh.each_api(mesh, &FakeApiserver.put(&1.server, "endpoints", "app", endpoints))
      for number <- 2..6, do: Mesh.assert_log(number, "the list is cut short")
      Mesh.assert_quiet(3_000)

      Mesh.see(mesh, 2..6)
      Mesh.assert_quiet(1_000)
    end
  end
end

defmodule LibclusterKubernetes.Judging.LeavingTest do
  use ExUnit.Case, async: true

  alias LibclusterKubernetes.Strategy.Departure
  alias LibclusterKubernetes.Test.{Api, ErlangNode, FakeApiserver, Mesh}

  @moduletag :linux
  @moduletag timeout: 120_000

  for mode <- [:poll, :watch] do
    @tag mode: mode
    test "who leaves is named on both sides, once: #{mode}", %{mode: mode} do
      mesh = Mesh.start!(2..6, source: :endpoints, mode: mode)

      Mesh.see(mesh, 2..5)
      Mesh.assert_down([6], 2..5)
      Mesh.assert_quiet(2_500)
      leaves = for line <- Mesh.logged(6), line =~ "it leaves the cluster (4 nodes)", do: line
      assert [_once] = leaves
      # Whether they asked it, or it was faster.
      for number <- 2..5,
          do: assert([_once] = for(line <- Mesh.logged(number), line =~ ~r/127.0.0.6"? (is gone:|has left)/, do: line))
    end

    @tag mode: mode
    test "one whose application has stopped its topology, and drains, leaves when it is asked: #{mode}", %{mode: mode} do
      mesh = Mesh.start!(2..6, source: :endpoints, mode: mode)

      Mesh.call(mesh, 6, :stop_supervisor)
      Mesh.see(mesh, 2..5)
      Mesh.assert_down([6], 2..5)
      Mesh.assert_quiet(2_500)
      assert Enum.any?(2..5, fn number -> Enum.any?(Mesh.logged(number), &(&1 =~ "has left the cluster")) end)
      assert Enum.any?(Mesh.logged(6), &(&1 =~ "No topology runs here that would judge that: this node leaves"))
    end
  end

  test "one that does not see that it is gone judges when it is asked, and leaves once however many ask" do
    mesh = Mesh.start!(2..6, source: :endpoints, mode: :watch)

    # Its watch says nothing any more, but its lists do.
    FakeApiserver.silent_watches(mesh.apis[6].server, true)
    Mesh.see(mesh, 2..5)
    Mesh.assert_down([6], 2..5)
    Mesh.assert_quiet(2_500)
    assert [once] = for(line <- Mesh.logged(6), line =~ "it leaves the cluster", do: line)
    # For how long is known to those that ask.
    refute once =~ "1000 ms"
  end

  test "a topology that names nobody but this node itself keeps nobody" do
    mesh = Mesh.start!(2..6, source: :endpoints, mode: :watch, topologies: [one: "app=app", two: "app=two"])

    Api.put(mesh.apis[6], "two", [Mesh.ip(6)], labels: %{app: "two"})
    Mesh.see(mesh, 2..5)
    Mesh.assert_down([6], 2..5)
    Mesh.assert_quiet(2_500)
  end

  test "one whose connection takes nothing any more is asked by nobody for long, and holds up no other answer" do
    mesh = Mesh.start!(2..4, source: :endpoints, mode: :watch)
    asking = Mesh.call(mesh, 3, :erlang, :whereis, [:init])
    stopped = "#{Mesh.call(mesh, 3, :os, :getpid, [])}"
    {_, 0} = System.cmd("kill", ["-STOP", stopped])
    on_exit(fn -> System.cmd("kill", ["-CONT", stopped], stderr_to_stdout: true) end)
    Mesh.call(mesh, 2, ErlangNode, :fill, [Mesh.node(3)])

    Mesh.call(mesh, 2, :erlang, :send, [Departure, {:asked, :k8s, asking, make_ref()}])
    assert [{_, :stays}] = Mesh.call(mesh, 4, Departure, :ask, [[Mesh.node(2)], :k8s])
    assert [{_, :stays}] = Mesh.call(mesh, 2, Departure, :ask, [[Mesh.node(3)], :k8s])
    assert [{_, :gone}] = Mesh.call(mesh, 2, Departure, :ask, [[:"app@127.0.0.250"], :k8s])
    {_, 0} = System.cmd("kill", ["-CONT", stopped])
  end

  test "one whose process hangs in a function of somebody's own stays: it is there, and has not said that it is gone" do
    mesh = Mesh.start!(2..6, source: :endpoints, mode: :watch, settings: [list_nodes: {ErlangNode, :list_nodes, []}])

    true = Mesh.call(mesh, 6, :hang)
    Mesh.see(mesh, 2..5)
    # Longer than whoever is asked may say nothing at all.
    Mesh.assert_quiet(8_000)
    assert [{_, :stays}] = Mesh.call(mesh, 2, Departure, :ask, [[Mesh.node(6)], :k8s, [to_judge: 500]])
  end

  test "one that another topology of its VM holds stays, and is asked ever more rarely" do
    topologies = [one: "app=app", two: "app=two"]
    # The second one never names it.
    prepare = fn api ->
      Api.put(api, "two", Enum.map(2..5, &Mesh.ip/1), labels: %{app: "two"})
    end

    mesh = Mesh.start!(2..6, source: :endpoints, mode: :watch, topologies: topologies, prepare: prepare)

    for number <- 2..6, do: FakeApiserver.clear_journal(mesh.apis[number].server)
    Mesh.see(mesh, 2..5)
    Mesh.assert_quiet(6_000)
    # After 1 and 2 seconds more; at every tick it would be 20.
    for number <- 2..5, do: assert(FakeApiserver.summary(mesh.apis[number].server)["lists"] in 1..4)
  end
end

defmodule LibclusterKubernetes.Judging.LinksThatGlobalLeavesTest do
  # `:global.disconnect/0` leaves links that are hidden, and those to another one of kernel's `global_groups`.
  use ExUnit.Case, async: true

  alias LibclusterKubernetes.Test.{ErlangNode, FakeApiserver, Mesh}

  @moduletag :linux
  @moduletag timeout: 120_000

  @one "['app@127.0.0.2', 'app@127.0.0.3', 'app@127.0.0.4']"
  @two "['app@127.0.0.5', 'app@127.0.0.6']"

  # What nodes are started with, beside their names; the last one is the one that goes.
  @links %{
    hidden: %{6 => ["-hidden"]},
    of_another_group: Map.new(2..6, &{&1, ~w(-kernel global_groups) ++ ["[{one, #{@one}}, {two, #{@two}}]"]}),
    of_another_group_and_hidden:
      Map.new(2..6, &{&1, ~w(-kernel global_groups) ++ ["[{one, hidden, #{@one}}, {two, hidden, #{@two}}]"]})
  }

  for {links, arguments} <- @links, asked? <- [false, true] do
    @tag arguments: arguments, asked?: asked?
    test "a node leaves its links that are #{links}, too, and costs no other; asked to: #{asked?}", context do
      opts = [source: :endpoints, mode: :watch, arguments: &Map.get(context.arguments, &1, [])]
      mesh = Mesh.join(%Mesh{port: ErlangNode.free_port(), opts: opts}, 2..6, Enum.to_list(2..6))
      for number <- 2..6, do: Mesh.await_connected(mesh, number, Enum.to_list(2..6) -- [number])

      # Where its watch says nothing, the others see it go, and ask it.
      FakeApiserver.silent_watches(mesh.apis[6].server, context.asked?)
      Mesh.see(mesh, 2..5)
      Mesh.await_connected(mesh, 6, [])
      for number <- 2..5, do: Mesh.await_connected(mesh, number, Enum.to_list(2..5) -- [number])
      Mesh.assert_kept(2..5, 2_500)

      said? = fn number -> Enum.any?(Mesh.logged(number), &(&1 =~ "has left the cluster")) end
      if context.asked?, do: assert(Enum.any?(2..5, said?))
    end
  end
end

defmodule LibclusterKubernetes.Judging.LostLinksTest do
  use ExUnit.Case, async: true

  alias LibclusterKubernetes.Test.Mesh

  @moduletag :linux
  @moduletag timeout: 120_000

  for {name, view} <- ["one drains": [2, {3, :draining}], "both are not ready": [{2, :not_ready}, {3, :not_ready}]],
      mode <- [:poll, :watch] do
    @tag view: view, mode: mode
    test "a link that is lost while #{name} comes back: #{mode}", %{view: view, mode: mode} do
      mesh = Mesh.start!(2..3, source: :endpoint_slices, mode: mode)
      Mesh.see(mesh, view)
      Mesh.assert_quiet(1_000)

      true = Mesh.call(mesh, 2, :erlang, :disconnect_node, [Mesh.node(3)])
      # One end may have it back before the other has noticed.
      Mesh.assert_back([2], [3])
      Mesh.assert_quiet(1_000)
    end
  end
end

defmodule LibclusterKubernetes.Judging.LateDistributionTest do
  use ExUnit.Case, async: true

  alias LibclusterKubernetes.Test.{ErlangNode, FakeApiserver, Topology}

  @moduletag :linux
  @moduletag timeout: 120_000

  test "distribution that starts after the strategy: it is a member like others, and not its own" do
    port = ErlangNode.free_port()
    server = FakeApiserver.start!()
    on_exit(fn -> File.rm_rf!(server.dir) end)
    FakeApiserver.put(server, "endpoints", "app", FakeApiserver.endpoints(["127.0.0.2", "127.0.0.3"]))
    config = Topology.config(server, polling_interval: 200)
    topologies = [k8s: [strategy: LibclusterKubernetes.Strategy, config: config]]

    ErlangNode.start("127.0.0.2", port, topologies)
    late = ErlangNode.launch("127.0.0.3", port, topologies, [], ErlangNode.without_epmd([]))
    ErlangNode.await_started("127.0.0.3")

    {:ok, _} = ErlangNode.call(late, :net_kernel, :start, [[:"app@127.0.0.3", :longnames]])
    true = ErlangNode.call(late, :erlang, :set_cookie, [:"libcluster-kubernetes-test"])

    Topology.wait_until(fn -> ErlangNode.call(late, :erlang, :nodes, []) == [:"app@127.0.0.2"] end)

    Topology.wait_until(fn ->
      {:ok, info} = ErlangNode.call(late, LibclusterKubernetes, :info, [:k8s])
      Enum.map(info.members, & &1.name) == ["app@127.0.0.2"]
    end)
  end
end
