defmodule LibclusterKubernetes.NodesTest do
  # Real Erlang nodes on loopback addresses, with `global` as OTP starts it.
  use ExUnit.Case, async: false

  import LibclusterKubernetes.Test.FakeApiserver, only: [endpoints: 2]

  alias LibclusterKubernetes.Strategy.Topologies
  alias LibclusterKubernetes.Test.{ErlangNode, FakeApiserver, Topology}

  @moduletag :linux
  @moduletag timeout: 120_000

  setup context, do: FakeApiserver.serve(context)
  setup do: %{port: ErlangNode.free_port()}

  defp ips(numbers), do: Enum.map(numbers, &"127.0.0.#{&1}")

  defp put(server, numbers, opts \\ []) do
    FakeApiserver.put(server, "endpoints", "app", endpoints(ips(numbers), opts))
  end

  defp start(context, number, config \\ []) do
    config = [polling_interval: 200, kubernetes_disconnect_after: 1_000] |> Keyword.merge(config)
    config = Topology.config(context.server, config)
    ErlangNode.start("127.0.0.#{number}", context.port, k8s: [strategy: LibclusterKubernetes.Strategy, config: config])
  end

  # Each of these nodes sees each other of them come up.
  defp assert_mesh(numbers) do
    for one <- numbers, other <- numbers, one != other, do: assert_event(one, "nodeup", other)
  end

  defp assert_event(one, event, other) do
    ip = "127.0.0.#{one}"
    line = "#{event} app@127.0.0.#{other}"
    assert_receive {:node, ^ip, ^line}, 15_000
  end

  # Each of these nodes and this one lose each other, and nobody else is lost: long enough for the others to disconnect it
  # as well, and for `global` to answer that.
  defp assert_only_gone(gone, numbers, quiet \\ 3_000) do
    for number <- numbers, do: assert_event(number, "nodedown", gone)
    for number <- numbers, do: assert_event(gone, "nodedown", number)
    refute_receive {:node, _, _}, quiet
  end

  defp assert_log(number, text), do: await_log(number, text, 15_000)

  defp await_log(number, text, limit) do
    ip = "127.0.0.#{number}"
    assert_receive {:node_log, ^ip, line}, limit
    if line =~ text, do: line, else: await_log(number, text, limit)
  end

  test "five nodes form a mesh; one that leaves the answers leaves the cluster, and no other link is lost", context do
    put(context.server, 2..6)
    for number <- 2..6, do: start(context, number)
    assert_mesh(2..6)

    put(context.server, [2, 3, 4, 5])
    assert_only_gone(6, 2..5)

    put(context.server, 2..6)
    for number <- 2..5, do: assert_event(number, "nodeup", 6)
  end

  test "an API that fails in every way costs no link, and a dead node comes back when it does", context do
    put(context.server, 2..4)
    owners = for number <- 2..4, do: {number, start(context, number)}
    assert_mesh(2..4)

    for fault <- [%{status: %{code: 403}}, %{status: %{code: 500}}, %{raw_body: "{}"}, "close"] do
      FakeApiserver.faults(context.server, [%{at: "request", do: fault}])
      refute_receive {:node, _, _}, 1_500
    end

    FakeApiserver.listening(context.server, false)
    {4, owner} = List.keyfind(owners, 4, 0)
    ErlangNode.kill(owner)
    assert_event(2, "nodedown", 4)
    assert_event(3, "nodedown", 4)

    # Known members are connected to again while the API is down.
    FakeApiserver.listening(context.server, true)
    FakeApiserver.no_faults(context.server)
    start(context, 4)
    assert_event(2, "nodeup", 4)
    assert_event(3, "nodeup", 4)
  end

  test "a node that does not see that it is gone is asked to leave, and no other link is lost", context do
    put(context.server, 2..6)
    FakeApiserver.put(context.server, "endpoints", "others", endpoints(ips(2..5), labels: %{peers: "yes"}))
    for number <- 2..5, do: start(context, number)
    # It sees the others, but never itself, as one that was named for less than one of its polls.
    start(context, 6, kubernetes_selector: "peers=yes")
    assert_mesh(2..6)

    put(context.server, 2..5)
    assert_only_gone(6, 2..5)
  end

  test "a node whose own view of the API is broken stays until it is mended, and no other link is lost", context do
    put(context.server, 2..5)
    FakeApiserver.token(context.server, "five", [%{verbs: ["*"], resources: ["*"], namespaces: ["*"]}])
    folder = Path.join(context.server.dir, "five")
    File.cp_r!(context.server.service_account, folder)
    File.write!(Path.join(folder, "token"), "five")
    for number <- 2..4, do: start(context, number)
    start(context, 5, kubernetes_service_account_path: folder)
    assert_mesh(2..5)

    FakeApiserver.token(context.server, "five", [])
    FakeApiserver.cut_watches(context.server)
    assert_log(5, "endpoints in namespace")
    put(context.server, 2..4)
    # No failure lets go of anybody: it is asked, and cannot judge.
    refute_receive {:node, _, _}, 4_000
    FakeApiserver.token(context.server, "five", [%{verbs: ["*"], resources: ["*"], namespaces: ["*"]}])
    assert_only_gone(5, 2..4)
  end

  test "a node that does not run the topology, and so cannot be asked, is disconnected", context do
    put(context.server, 2..3)
    start(context, 2)
    ErlangNode.start("127.0.0.3", context.port, [])
    assert_mesh(2..3)

    put(context.server, [2])
    assert_only_gone(3, [2], 1_000)
  end

  test "a node that cannot be asked, and is back in the answers before that is known, is not disconnected", context do
    put(context.server, 2..3)
    start(context, 2)
    other = ErlangNode.start("127.0.0.3", context.port, [])
    :ok = ErlangNode.call(other, Application, :stop, [:libcluster_kubernetes])
    assert_mesh(2..3)

    FakeApiserver.clear_journal(context.server)
    put(context.server, [2])
    # The one that decides.
    FakeApiserver.await(context.server, "lists=1")
    put(context.server, 2..3)
    refute_receive {:node, _, _}, 7_000
  end

  test "a node whose own healthy view names it stays, and so do all links", context do
    put(context.server, 2..5)
    FakeApiserver.put(context.server, "endpoints", "all", endpoints(ips(2..5), labels: %{peers: "yes"}))
    for number <- 2..4, do: start(context, number)
    start(context, 5, kubernetes_selector: "peers=yes")
    assert_mesh(2..5)

    put(context.server, 2..4)
    refute_receive {:node, _, _}, 4_000
  end

  test "where nobody takes the cookie, one line says so and names diagnose, and then that it is connected", context do
    put(context.server, 2..3)
    start(context, 2)
    name = ErlangNode.without_epmd(["-setcookie", "another", "-name", "app@127.0.0.3"])
    config = Topology.config(context.server, polling_interval: 200)
    topologies = [k8s: [strategy: LibclusterKubernetes.Strategy, config: config]]
    other = ErlangNode.launch("127.0.0.3", context.port, topologies, [], name)
    ErlangNode.await_started("127.0.0.3")

    line = await_log(2, "still not connected to: app@127.0.0.3.", 30_000)
    assert line =~ "refuses the cookie of this node"
    assert line =~ "LibclusterKubernetes.diagnose(:k8s) says what to do about it"

    true = ErlangNode.call(other, :erlang, :set_cookie, [:"libcluster-kubernetes-test"])
    assert_mesh(2..3)
    assert_log(2, "connected to")
  end

  for disconnect_after <- [0, 500] do
    @tag disconnect_after: disconnect_after
    test "what a topology held before it crashed is held until its first answer: #{disconnect_after}", context do
      other = FakeApiserver.start!()
      on_exit(fn -> File.rm_rf!(other.dir) end)

      topologies =
        for {name, server, disconnect_after} <- [
              {:one, context.server, context.disconnect_after},
              {:two, other, :never}
            ] do
          put(server, 2..3)
          config = [polling_interval: 200, kubernetes_disconnect_after: disconnect_after]
          {name, [strategy: LibclusterKubernetes.Strategy, config: Topology.config(server, config)]}
        end

      owner = ErlangNode.start("127.0.0.2", context.port, topologies)
      ErlangNode.start("127.0.0.3", context.port, [])
      assert_mesh(2..3)

      FakeApiserver.listening(other, false)
      process = fn -> ErlangNode.call(owner, Topologies, :whereis, [:two]) end
      crashed = process.()
      true = ErlangNode.call(owner, :erlang, :exit, [crashed, :kill])
      Topology.wait_until(fn -> process.() not in [nil, crashed] end)
      put(context.server, [2])
      # Long enough for the one that is left to let go of it.
      refute_receive {:node, _, _}, 3_000

      put(other, [2])
      FakeApiserver.listening(other, true)
      assert_only_gone(3, [2], 1_000)
    end
  end

  test "a node with a short name is told so", context do
    put(context.server, [])
    config = Topology.config(context.server, [])
    topologies = [k8s: [strategy: LibclusterKubernetes.Strategy, config: config]]
    ErlangNode.launch("127.0.0.3", context.port, topologies, [], ErlangNode.without_epmd(["-sname", "app"]))
    assert_log(3, "this node has the short name app@")
  end

  test "readiness flips cost no link", context do
    put(context.server, 2..4)
    for number <- 2..4, do: start(context, number, kubernetes_disconnect_after: 300)
    assert_mesh(2..4)

    put(context.server, [2, 3], not_ready: ips([4]))
    refute_receive {:node, _, _}, 2_000
  end

  test "nodes of two rollouts do not meet, and what rolls over finds those of its own", context do
    pod = fn number, hash ->
      FakeApiserver.put(context.server, "pods", "app-#{number}", %{
        metadata: %{labels: %{"app" => "app", "pod-template-hash" => hash}},
        status: %{phase: "Running", podIP: "127.0.0.#{number}"}
      })
    end

    for number <- 2..3, do: pod.(number, "old")
    for number <- 4..5, do: pod.(number, "new")
    config = [kubernetes_ip_lookup_mode: :pods, kubernetes_rollout_label: "pod-template-hash"]
    for number <- 2..5, do: start(context, number, config)
    assert_mesh(2..3)
    assert_mesh(4..5)

    pod.(6, "new")
    start(context, 6, config)
    for number <- 4..5, do: assert_event(number, "nodeup", 6)
    # Each has had a snapshot with all of them, and ticks since.
    refute_receive {:node, _, "nodeup app@127.0.0.2"}, 1_000
    refute_received {:node, "127.0.0.2", _}
  end
end
