defmodule LibclusterKubernetes.StrategyTest do
  # The addresses are no other test's: what another topology of this VM holds is not disconnected.
  use ExUnit.Case, async: true

  import ExUnit.CaptureLog
  import LibclusterKubernetes.Test.FakeApiserver, only: [endpoints: 1, endpoints: 2]

  import LibclusterKubernetes.Test.Topology,
    only: [await_lists: 2, start: 1, start: 2, start: 3, wait_until: 1, wait_until: 2]

  alias LibclusterKubernetes.Strategy.{Dialing, Incident, State}
  alias LibclusterKubernetes.Test.{FakeApiserver, Recorder, Topology}

  setup context, do: Topology.alone(context)

  defp members(context, ips, opts \\ []) do
    FakeApiserver.put(context.server, "endpoints", "app", endpoints(ips, opts))
  end

  # A topology that has these members and is connected to all of them.
  defp ticks_without_a_try?(server, ticks) do
    await_lists(server, ticks)
    tries = flush_tries(0)
    tries == 0
  end

  defp flush_tries(count) do
    receive do
      {:connect, _, _} -> flush_tries(count + 1)
    after
      0 -> count
    end
  end

  defp connected(context, ips, config) do
    members(context, ips)
    pid = start(context, config)
    for ip <- ips, node = :"app@#{ip}", do: assert_receive({:connect, ^node, true})
    pid
  end

  describe "connecting" do
    test "connects to the members, to those that come, and again to those that were lost", context do
      members(context, ["10.3.0.1", "10.3.0.2"])
      start(context)
      assert_receive {:connect, :"app@10.3.0.1", true}
      assert_receive {:connect, :"app@10.3.0.2", true}

      members(context, ["10.3.0.1", "10.3.0.2", "10.3.0.3"])
      assert_receive {:connect, :"app@10.3.0.3", true}

      Recorder.lose(context.recorder, :"app@10.3.0.1")
      assert_receive {:connect, :"app@10.3.0.1", true}
      refute_received {:disconnect, _}
    end

    test "a change that does not follow the last one is not believed: it is said, and everything is asked for anew",
         context do
      members(context, ["10.3.0.1", "10.3.0.2"])
      pid = start(context, kubernetes_watch: :auto)
      for number <- 1..2, node = :"app@10.3.0.#{number}", do: assert_receive({:connect, ^node, true})
      %{ref: ref, changes: changes, membership: known} = :sys.get_state(pid)
      lists = FakeApiserver.summary(context.server)["lists"]
      news = %{ready: [], not_ready: [], draining: []}

      log =
        capture_log(fn ->
          send(pid, {:libcluster_kubernetes, ref, {:changed, {changes + 1, 2}, ["app@10.3.0.1"], news}})
          wait_until(fn -> :sys.get_state(pid).ref != ref end)
        end)

      assert log =~
               "change #{changes + 1}, after which there are 2 members, came where change #{changes + 1} would make it 1"

      wait_until(fn -> :sys.get_state(pid).changes == 0 and FakeApiserver.summary(context.server)["lists"] > lists end)
      assert :sys.get_state(pid).membership.present == known.present

      members(context, ["10.3.0.1", "10.3.0.2", "10.3.0.3"])
      assert_receive {:connect, :"app@10.3.0.3", true}
      refute_received {:disconnect, _}
    end

    test "does not connect to what is not ready, unless asked to", context do
      members(context, [], not_ready: ["10.3.0.1"])
      start(context)
      await_lists(context.server, 3)
      refute_received {:connect, _, _}

      start(context, [kubernetes_include_not_ready: true], :eager)
      assert_receive {:connect, :"app@10.3.0.1", true}
    end

    test "a connect that hangs or raises holds up nobody, and the strategy answers meanwhile", context do
      members(context, ["10.3.0.1", "10.3.0.2", "10.3.0.3"])
      test = self()

      connect = fn
        :"app@10.3.0.1" ->
          Process.sleep(:infinity)

        :"app@10.3.0.2" ->
          raise "broken"

        node ->
          send(test, {:connect, node, true})
          true
      end

      state = Topology.state(context.server, context.recorder)

      log =
        capture_log(fn ->
          pid = start_supervised!(Topology.child_spec(%{state | connect: {__MODULE__, :call, [connect]}}))
          assert_receive {:connect, :"app@10.3.0.3", true}
          assert %State{} = :sys.get_state(pid, 100)
          wait_until(fn -> Dialing.tried?(:sys.get_state(pid, 100).dialing, "app@10.3.0.2") end)
        end)

      assert log =~ "connecting to app@10.3.0.2 failed"
      assert log =~ "broken"
    end

    test "a connect that raises is logged when that begins, not with each try", context do
      members(context, ["10.3.0.1"])
      test = self()

      connect = fn node ->
        send(test, {:connect, node, false})
        raise "broken"
      end

      state = Topology.state(context.server, context.recorder)

      log =
        capture_log(fn ->
          pid = start_supervised!(Topology.child_spec(%{state | connect: {__MODULE__, :call, [connect]}}))
          for _ <- 1..5, do: assert_receive({:connect, :"app@10.3.0.1", false}, 5_000)
          wait_until(fn -> Dialing.tried?(:sys.get_state(pid).dialing, "app@10.3.0.1") end)
        end)

      assert log |> String.split("connecting to app@10.3.0.1 failed") |> length() == 2
    end

    test "an unreachable node is tried ever more rarely", context do
      Recorder.unreachable(context.recorder, [:"app@10.3.0.1"])
      members(context, ["10.3.0.1"])
      start(context)
      assert_receive {:connect, :"app@10.3.0.1", false}
      assert_receive {:connect, :"app@10.3.0.1", false}
      # At last several ticks pass without a try, and then there is one.
      wait_until(fn -> ticks_without_a_try?(context.server, 5) end, 20_000)
      assert_receive {:connect, :"app@10.3.0.1", false}, 10_000

      Recorder.unreachable(context.recorder, [])
      assert_receive {:connect, :"app@10.3.0.1", true}, 5_000
    end

    test "a member whose VM may still be starting is no warning, and an event of libcluster all the same", context do
      test = self()
      handler = fn _event, _measurements, metadata, _config -> send(test, {:failed, metadata}) end
      :ok = :telemetry.attach("quiet-test", [:libcluster, :connect_node, :error], handler, nil)
      Recorder.unreachable(context.recorder, [:"app@10.3.0.1"])
      members(context, ["10.3.0.1"])

      log =
        capture_log(fn ->
          start(context, [], :quiet)
          for _ <- 1..3, do: assert_receive({:failed, %{topology: :quiet, node: :"app@10.3.0.1", reason: :unreachable}})
          Recorder.unreachable(context.recorder, [])
          assert_receive {:connect, :"app@10.3.0.1", true}
          wait_until(fn -> match?({:ok, %{members: [%{connected?: true}]}}, LibclusterKubernetes.info(:quiet)) end)
        end)

      :telemetry.detach("quiet-test")
      refute log =~ "unable to connect"
      assert log =~ ~s([libcluster:quiet] connected to :"app@10.3.0.1")
    end

    test "libcluster's telemetry events are emitted", context do
      test = self()
      handler = fn event, _measurements, metadata, _config -> send(test, {:event, event, metadata}) end
      :ok = :telemetry.attach("strategy-test", [:libcluster, :connect_node, :ok], handler, nil)
      members(context, ["10.3.0.1"])
      start(context, [], :with_telemetry)

      assert_receive {:event, [:libcluster, :connect_node, :ok], %{topology: :with_telemetry, node: :"app@10.3.0.1"}}
      :telemetry.detach("strategy-test")
    end
  end

  describe "leaving" do
    test "a member is disconnected only after it has been absent for kubernetes_disconnect_after", context do
      connected(context, ["10.3.0.1", "10.3.0.2", "10.3.0.3"], kubernetes_disconnect_after: 300)

      written = System.monotonic_time(:millisecond)
      members(context, ["10.3.0.1", "10.3.0.3"])
      assert_receive {:disconnect, :"app@10.3.0.2"}
      assert System.monotonic_time(:millisecond) - written >= 300
      refute_received {:disconnect, _}
    end

    test "a member that is back in time, not ready or draining, is never disconnected", context do
      connected(context, ["10.3.0.1"], kubernetes_disconnect_after: 1_000)

      members(context, [])
      await_lists(context.server, 2)
      members(context, [], not_ready: ["10.3.0.1"])
      # For longer than it may be absent.
      await_lists(context.server, 40)
      refute_received {:disconnect, _}
    end

    test "0 disconnects at once, :never does not at all", context do
      {:ok, other} = Recorder.start_link(self())
      members(context, ["10.3.0.1"])
      start(context, [kubernetes_disconnect_after: :never], :never)
      assert_receive {:connect, :"app@10.3.0.1", true}
      members(context, [])
      await_lists(context.server, 5)
      refute_received {:disconnect, _}

      stop_supervised!(:never)
      members(context, ["10.3.0.1"])
      start(%{context | recorder: other}, [kubernetes_disconnect_after: 0], :at_once)
      assert_receive {:connect, :"app@10.3.0.1", true}
      members(context, [])
      assert_receive {:disconnect, :"app@10.3.0.1"}
    end

    test "a node that another topology of this VM holds stays connected", context do
      held = endpoints(["10.3.0.1"], labels: %{app: "app", part: "one"})
      rest = endpoints(["10.3.0.2", "10.3.0.3"], labels: %{app: "app", part: "one"})
      FakeApiserver.put(context.server, "endpoints", "one", held)
      FakeApiserver.put(context.server, "endpoints", "rest", rest)
      FakeApiserver.put(context.server, "endpoints", "two", endpoints(["10.3.0.1"], labels: %{app: "app", part: "two"}))
      start(context, [kubernetes_selector: "part=two"], :two)
      start(context, [kubernetes_selector: "part=one"], :one)
      for ip <- 1..3, node = :"app@10.3.0.#{ip}", do: assert_receive({:connect, ^node, true})
      await_lists(context.server, 4)

      FakeApiserver.delete(context.server, "endpoints", "one")
      await_lists(context.server, 30)
      refute_received {:disconnect, _}

      stop_supervised!(:two)
      assert_receive {:disconnect, :"app@10.3.0.1"}
      refute_received {:disconnect, _}
    end

    test "whoever is disconnected at once is said to be so by libcluster, and by nothing else", context do
      test = self()
      topology = context.topology
      id = "strategy-test-once"
      handler = fn _event, _measurements, metadata, _config -> send(test, {:disconnected, metadata}) end
      :ok = :telemetry.attach(id, [:libcluster, :disconnect_node, :ok], handler, nil)
      on_exit(fn -> :telemetry.detach(id) end)

      log =
        capture_log(fn ->
          connected(context, ["10.3.0.1", "10.3.0.2"], kubernetes_disconnect_after: 0)
          members(context, ["10.3.0.2"])
          assert_receive {:disconnected, %{topology: ^topology, node: :"app@10.3.0.1"}}
          wait_until(fn -> match?({:ok, %{members: [_]}}, LibclusterKubernetes.info(topology)) end)
        end)

      refute_received {:disconnected, %{topology: ^topology}}
      refute log =~ "is gone"
    end

    for disconnect_after <- [0, 100] do
      @tag disconnect_after: disconnect_after
      test "two topologies that both lose a node do not keep it for each other: #{disconnect_after}", context do
        members(context, ["10.3.0.1", "10.3.0.2", "10.3.0.3"])

        for name <- [:both_one, :both_two],
            do: start(context, [kubernetes_disconnect_after: context.disconnect_after], name)

        for ip <- 1..3, node = :"app@10.3.0.#{ip}", do: assert_receive({:connect, ^node, true})
        await_lists(context.server, 4)

        members(context, ["10.3.0.2", "10.3.0.3"])
        assert_receive {:disconnect, :"app@10.3.0.1"}, 5_000
      end
    end

    for {name, left, why} <- [
          {"is empty", [], "is empty"},
          {"names nobody of this cluster", ["10.3.0.8", "10.3.0.9"], "names nobody of this cluster of 4"},
          {"lacks more than half of it", ["10.3.0.1", "10.3.0.9"], "3 of this cluster of 4, which is more than half"}
        ] do
      test "nobody is disconnected by an answer that #{name}, which is said once and shown", context do
        ips = ["10.3.0.1", "10.3.0.2", "10.3.0.3"]
        Recorder.unreachable(context.recorder, [:"app@10.3.0.8", :"app@10.3.0.9"])

        log =
          capture_log(fn ->
            pid = connected(context, ips, kubernetes_disconnect_after: 50)
            members(context, unquote(left))
            # Judged, and judged again.
            wait_until(fn ->
              Enum.any?(:sys.get_state(pid).membership.absent, fn {_, absence} -> absence.judged > 1 end)
            end)

            assert %{held_back: %{members: ["app@10.3.0." <> _ | _], since: %DateTime{}}} = GenServer.call(pid, :info)
            members(context, ips)
            wait_until(fn -> GenServer.call(pid, :info).held_back == nil end)
          end)

        assert [_, _] = String.split(log, "no longer in the answers")
        assert log =~ unquote(why)
        refute_received {:disconnect, _}
      end
    end

    test "a list that fails disconnects nobody, and the watch goes on", context do
      log =
        capture_log(fn ->
          pid =
            connected(context, ["10.3.0.1", "10.3.0.2", "10.3.0.3"],
              kubernetes_watch: :auto,
              kubernetes_disconnect_after: 100
            )

          wait_until(fn -> :sys.get_state(pid).activity.mode == :watch end)
          FakeApiserver.faults(context.server, [%{at: "request", verb: "list", do: %{status: %{code: 500}}}])
          members(context, ["10.3.0.1", "10.3.0.3"])
          wait_until(fn -> GenServer.call(pid, :info).held_back != nil end)
          assert GenServer.call(pid, :info).held_back.reason == {:failed, :server}
          members(context, ["10.3.0.1", "10.3.0.3", "10.3.0.4"])
          assert_receive {:connect, :"app@10.3.0.4", true}
          refute_received {:disconnect, _}
          FakeApiserver.no_faults(context.server)
          assert_receive {:disconnect, :"app@10.3.0.2"}, 10_000
        end)

      assert log =~ "the list that is to confirm it failed"
    end

    test "a node that was never in an answer is not disconnected", context do
      Recorder.connect(context.recorder, :"other@10.9.9.9")
      connected(context, ["10.3.0.1"], kubernetes_disconnect_after: 0)
      await_lists(context.server, 3)
      refute_received {:disconnect, _}
    end
  end

  describe "a failing API" do
    @faults [
      forbidden: %{status: %{code: 403}},
      unauthorized: %{status: %{code: 401}},
      server: %{status: %{code: 500, body: "<html>oops</html>"}},
      redirect: %{status: %{code: 302, headers: %{location: "https://example.com/"}}},
      rate_limited: %{status: %{code: 429, headers: %{"retry-after" => "0"}}},
      closed: "close",
      reset: "reset",
      truncated: %{truncate_body: 20},
      empty_object: %{raw_body: "{}"},
      null_items: %{raw_body: ~s({"kind":"EndpointsList","metadata":{"resourceVersion":"1"}})},
      other_kind: %{raw_body: ~s({"kind":"PodList","metadata":{"resourceVersion":"1"},"items":[]})},
      not_json: %{raw_body: "not json"}
    ]

    for {name, fault} <- @faults do
      @fault fault
      test "#{name}: disconnects nobody, is logged once, and is over when it is over", context do
        members(context, ["10.3.0.1"])

        log =
          capture_log(fn ->
            start(context, [kubernetes_disconnect_after: 0], unquote(name))
            assert_receive {:connect, :"app@10.3.0.1", true}

            FakeApiserver.faults(context.server, [%{at: "request", do: @fault, times: 2}])
            FakeApiserver.put(context.server, "endpoints", "more", endpoints(["10.3.0.2"]))
            assert_receive {:connect, :"app@10.3.0.2", true}, 10_000
          end)

        refute_received {:disconnect, _}
        lines = log |> String.split("\n") |> Enum.filter(&(&1 =~ "[libcluster:#{unquote(name)}]" and &1 =~ "[warning]"))
        assert [line] = lines
        assert line =~ "cannot list endpoints in namespace"
        assert log =~ "the Kubernetes API answers again"
        refute log =~ File.read!(Path.join(context.server.service_account, "token"))
      end
    end

    test "a server that is gone: nobody leaves, and life goes on when it is back", context do
      connected(context, ["10.3.0.1", "10.3.0.2"], kubernetes_disconnect_after: 0)
      FakeApiserver.listening(context.server, false)
      refute_receive {:disconnect, _}, 500

      members(context, ["10.3.0.1", "10.3.0.3"])
      FakeApiserver.listening(context.server, true)
      assert_receive {:connect, :"app@10.3.0.3", true}, 30_000
      assert_receive {:disconnect, :"app@10.3.0.2"}
    end

    test "an absence that was seen before the failure does not disconnect during it", context do
      connected(context, ["10.3.0.1", "10.3.0.2", "10.3.0.3"], kubernetes_disconnect_after: 250)
      members(context, ["10.3.0.1", "10.3.0.3"])
      await_lists(context.server, 2)
      FakeApiserver.faults(context.server, [%{at: "request", do: %{status: %{code: 503}}}])
      refute_receive {:disconnect, _}, 800

      FakeApiserver.no_faults(context.server)
      assert_receive {:disconnect, :"app@10.3.0.2"}, 10_000
    end

    test "forbidden names verb, resource and namespace; what to do about it waits until it lasts", context do
      FakeApiserver.token(context.server, "watcher", [
        %{verbs: ["watch"], resources: ["endpoints"], namespaces: ["default"]}
      ])

      File.write!(Path.join(context.server.service_account, "token"), "watcher")

      log =
        capture_log(fn ->
          start(context)
          await_lists(context.server, 2)
        end)

      assert log =~ ~s(cannot list endpoints in namespace "default")
      assert log =~ ~s(cannot list resource "endpoints")
      refute log =~ "Bind a Role"
    end
  end

  describe "a silent API" do
    test "does not hold up start, stop or an answer to a system message", context do
      for at <- ["accept", "request"] do
        FakeApiserver.faults(context.server, [%{at: at, do: "hang"}])
        state = Topology.state(context.server, context.recorder)

        {started, {:ok, supervisor}} =
          :timer.tc(fn -> Supervisor.start_link([Topology.child_spec(state)], strategy: :one_for_one) end)

        wait_until(fn -> FakeApiserver.summary(context.server)["connections_open"] > 0 end)

        [{_, pid, _, _}] = Supervisor.which_children(supervisor)
        assert %State{} = :sys.get_state(pid, 100)

        {stopped, :ok} = :timer.tc(fn -> Supervisor.stop(supervisor) end)
        assert started < 1_000_000 and stopped < 1_000_000
        wait_until(fn -> FakeApiserver.summary(context.server)["connections_open"] == 0 end)
      end
    end
  end

  describe "options" do
    test "a wrong option stops the start with a message that a newcomer understands", context do
      state = Topology.state(context.server, context.recorder, kubernetes_node_basename: "my@app")
      Process.flag(:trap_exit, true)

      assert {:error, {:shutdown, {:failed_to_start_child, :k8s, reason}}} =
               Supervisor.start_link([Topology.child_spec(state)], strategy: :one_for_one)

      assert {:EXIT, {%ArgumentError{message: message}, _stack}} = reason
      assert message =~ ~s|topology :k8s: the option kubernetes_node_basename is "my@app", but must be|
    end

    # As an environment variable is that is not set outside of Kubernetes: the stock strategy starts with it, too.
    test "a basename or selector that is nil starts a topology that asks for nothing", context do
      for option <- [:kubernetes_node_basename, :kubernetes_selector] do
        log =
          capture_log(fn ->
            start(context, [{option, nil}])
            assert LibclusterKubernetes.await(context.topology) == {:error, :timeout}
            assert {:ok, %{mode: :idle}} = LibclusterKubernetes.info(context.topology)
            stop_supervised!(context.topology)
          end)

        assert log =~ "#{option} is nil, so that this topology asks for nothing and finds nobody"
      end

      assert FakeApiserver.summary(context.server)["connections_accepted"] == 0
    end

    test "an unknown option is logged", context do
      log =
        capture_log(fn ->
          start(context, kubernetes_pod_selector: "app=app")
          await_lists(context.server, 1)
        end)

      assert log =~ "the option kubernetes_pod_selector is not known and has no effect"
    end
  end

  describe "credentials" do
    test "nothing is sent where the CA or the token is missing", context do
      for {file, message} <- [{"ca.crt", "ca.crt"}, {"token", "token"}] do
        folder = Path.join(context.server.dir, "without-#{file}")
        File.cp_r!(context.server.service_account, folder)
        File.rm!(Path.join(folder, file))
        FakeApiserver.clear_journal(context.server)

        log =
          capture_log(fn ->
            pid = start(context, [kubernetes_service_account_path: folder], :"without #{file}")
            wait_until(fn -> Incident.lasts?(:sys.get_state(pid).incident) end)
          end)

        assert log =~ Path.join(folder, message)
        assert log =~ "nothing was sent"
        assert %{"connections_accepted" => 0, "requests" => 0} = FakeApiserver.summary(context.server)
      end
    end

    test "no request reaches a server that the CA does not vouch for", context do
      folder = Path.join(context.server.dir, "wrong-ca")
      File.cp_r!(context.server.service_account, folder)
      File.cp!(Path.join(context.server.dir, "other-ca.crt"), Path.join(folder, "ca.crt"))
      assert_tls_error(start(context, [kubernetes_service_account_path: folder], :wrong_ca), context, "UnknownIssuer")

      FakeApiserver.certificate(context.server, %{sans: ["elsewhere.example"], ca: "own", expired: false})
      assert_tls_error(start(context, [], :wrong_host), context, "not valid for name")

      FakeApiserver.certificate(context.server, %{sans: ["127.0.0.1"], ca: "own", expired: true})
      assert_tls_error(start(context, [], :expired), context, "expired")
    end

    test "a rotated token and a rotated CA are used without a restart", context do
      folder = Path.join(context.server.dir, "rotated")
      File.cp_r!(context.server.service_account, folder)
      connected(context, ["10.3.0.1"], kubernetes_service_account_path: folder)

      FakeApiserver.token(context.server, "rotated", [%{verbs: ["*"], resources: ["*"], namespaces: ["*"]}])
      replace!(Path.join(folder, "token"), "rotated")
      FakeApiserver.certificate(context.server, %{sans: ["127.0.0.1"], ca: "other", expired: false})
      replace!(Path.join(folder, "ca.crt"), File.read!(Path.join(context.server.dir, "other-ca.crt")))
      members(context, ["10.3.0.2"])
      assert_receive {:connect, :"app@10.3.0.2", true}, 10_000
    end
  end

  describe "polling" do
    test "keeps its connection and asks for what the options say", context do
      connected(context, ["10.3.0.1"], kubernetes_selector: "app in (app, web)", kubernetes_use_cached_resources: true)
      FakeApiserver.clear_journal(context.server)
      await_lists(context.server, 5)

      assert %{"handshakes_completed" => 0} = FakeApiserver.summary(context.server)
      requests = FakeApiserver.journal(context.server)
      assert [_] = requests |> Enum.map(& &1["connection"]) |> Enum.uniq()

      for request <- requests do
        assert request["path"] == "/api/v1/namespaces/default/endpoints"
        assert request["query"] == %{"labelSelector" => "app in (app, web)", "resourceVersion" => "0"}
        assert request["headers"]["authorization"] == true
      end
    end
  end

  defp assert_tls_error(pid, context, reason) do
    FakeApiserver.clear_journal(context.server)
    wait_until(fn -> Incident.lasts?(:sys.get_state(pid).incident) end)
    assert :sys.get_state(pid).incident.reason =~ "TLS failed"
    assert :sys.get_state(pid).incident.reason =~ reason
    assert %{"requests" => 0} = FakeApiserver.summary(context.server)
    stop_supervised!(:sys.get_state(pid).topology.topology)
  end

  # As the kubelet does: a reader sees the old or the new content, never a part.
  defp replace!(path, content) do
    File.write!(path <> ".new", content)
    File.rename!(path <> ".new", path)
  end

  @doc false
  def call(function, node), do: function.(node)
end
