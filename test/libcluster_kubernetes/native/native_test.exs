defmodule LibclusterKubernetes.NativeTest do
  # Counts the threads and descriptors of the whole VM.
  use ExUnit.Case, async: false

  import LibclusterKubernetes.Test.FakeApiserver, only: [endpoints: 1]
  import LibclusterKubernetes.Test.Topology, only: [next_snapshot: 1, wait_until: 1]

  alias LibclusterKubernetes.{Native, Options, Strategy}
  alias LibclusterKubernetes.Test.{FakeApiserver, Recorder, Topology}
  alias LibclusterKubernetes.Test.Soak.Resources

  @moduletag :linux

  setup context, do: FakeApiserver.serve(context)

  setup %{server: server} do
    FakeApiserver.put(server, "endpoints", "app", endpoints(["10.0.0.1"]))
    :ok
  end

  defp options(server, config \\ []) do
    {:ok, recorder} = Recorder.start_link()
    state = Topology.state(server, recorder, config)
    state.topology |> Options.new!(state.config, %{}) |> Options.to_native()
  end

  test "list/2 answers once, with what is true now", %{server: server} do
    options = options(server, kubernetes_use_cached_resources: true)
    assert {:ok, %{ready: ["app@10.0.0.1"], not_ready: [], draining: [], dropped: []} = answer} = Topology.list(options)
    assert answer.truncated == false
    assert [%{"query" => query}] = FakeApiserver.journal(server)
    refute Map.has_key?(query, "resourceVersion")

    assert {:error, %{kind: :connect, message: "cannot list" <> _}} =
             Topology.list(%{options(server) | master: "https://127.0.0.1:1"})

    refute_received {:libcluster_kubernetes, _, _}
  end

  test "list/2 and probe/2 end when they are withdrawn, and when who asked dies", %{server: server} do
    FakeApiserver.faults(server, [%{at: "request", do: "hang"}])
    open = fn -> FakeApiserver.summary(server)["connections_open"] end

    for ask <- [&Native.list/2, &Native.probe/2] do
      {:ok, {question, _ref}} = ask.(options(server), self())
      wait_until(fn -> open.() > 0 end)
      :ok = Native.stop(question)
      wait_until(fn -> open.() == 0 end)

      test = self()

      asker =
        spawn(fn ->
          send(test, {:asked, ask.(options(server), self())})
          Process.sleep(:infinity)
        end)

      assert_receive {:asked, {:ok, _}}
      wait_until(fn -> open.() > 0 end)
      Process.exit(asker, :kill)
      wait_until(fn -> open.() == 0 end)
    end
  end

  test "start/2 sends a snapshot by itself, and an answer for each refresh; none after stop", %{server: server} do
    {:ok, {worker, ref} = started} = Native.start(options(server), self())
    assert_receive {:libcluster_kubernetes, ^ref, {:listed, %{pages: 1, kind: nil, requests: 1, bytes: bytes}}}
    assert bytes > 100
    assert %{ready: ["app@10.0.0.1"]} = next_snapshot(started)
    :ok = Native.refresh(worker)
    assert_receive {:libcluster_kubernetes, ^ref, {:listed, %{requests: 2, duration_us: duration}}} when duration > 0
    assert_receive {:libcluster_kubernetes, ^ref, :unchanged}
    :ok = Native.refresh(worker)
    assert_receive {:libcluster_kubernetes, ^ref, {:listed, %{requests: 3}}}
    assert_receive {:libcluster_kubernetes, ^ref, :unchanged}
    :ok = Native.stop(worker)
    wait_until(fn -> FakeApiserver.summary(server)["connections_open"] == 0 end)
    :ok = Native.refresh(worker)
    :ok = Native.stop(worker)
    refute_received {:libcluster_kubernetes, _, _}
  end

  test "an answer that is not acknowledged holds back what changes, which comes as one", %{server: server} do
    {:ok, {worker, ref}} = Native.start(options(server), self())
    assert_receive {:libcluster_kubernetes, ^ref, {:snapshot, %{ready: ["app@10.0.0.1"]}}}

    for number <- 2..4 do
      FakeApiserver.put(server, "endpoints", "app", FakeApiserver.endpoints(["10.0.0.#{number}", "10.0.0.9"]))
      # When the second is asked for, the first has been answered and sent, if it was to be.
      list_twice_more(worker, server)
    end

    refute_received {:libcluster_kubernetes, _, {:changed, _, _, _}}
    refute_received {:libcluster_kubernetes, _, {:unchanged, _}}
    :ok = Native.acknowledge(worker, ref)
    assert_receive {:libcluster_kubernetes, ^ref, {:changed, {1, 2}, gone, %{ready: ["app@10.0.0.4", "app@10.0.0.9"]}}}
    assert "app@10.0.0.1" in gone
    assert_receive {:libcluster_kubernetes, ^ref, :unchanged}
    refute_receive {:libcluster_kubernetes, _, {:changed, _, _, _}}, 50
    :ok = Native.acknowledge(worker, ref)

    FakeApiserver.put(server, "endpoints", "app", FakeApiserver.endpoints(["10.0.0.4"]))
    list_twice_more(worker, server)
    assert_receive {:libcluster_kubernetes, ^ref, {:changed, {2, 1}, ["app@10.0.0.9"], %{ready: [], draining: []}}}
  end

  test "start/2 refuses an address that is none", %{server: server} do
    assert {:error, "kubernetes_master \"https://a b\"" <> _} =
             Native.start(%{options(server) | master: "https://a b"}, self())
  end

  test "a worker whose resource is collected ends", %{server: server} do
    parent = self()
    native = options(server)

    holder =
      spawn_link(fn ->
        {:ok, {worker, _ref}} = Native.start(native, parent)
        receive do: (:let_go -> worker)
      end)

    assert_receive {:libcluster_kubernetes, _, {:snapshot, _}}
    # Its owner lives on, but nobody holds the resource any more.
    send(holder, :let_go)
    wait_until(fn -> FakeApiserver.summary(server)["connections_open"] == 0 end)
  end

  test "where the system gives no thread, that is an error of the topology, which tries again", %{server: server} do
    # Every new thread of the library would need more memory than there is.
    no_threads = [{~c"RUST_MIN_STACK", ~c"1152921504606846976"}]
    paths = Enum.flat_map(:code.get_path(), &[~c"-pa", &1])
    {:ok, vm, _node} = :peer.start_link(%{connection: :standard_io, env: no_threads, args: paths})
    {:ok, _} = :peer.call(vm, Application, :ensure_all_started, [:libcluster_kubernetes], 60_000)
    init = :peer.call(vm, :erlang, :whereis, [:init])

    for ask <- [:start, :list, :probe] do
      assert {:error, "the system gives no thread: " <> _} = :peer.call(vm, Native, ask, [options(server), init])
    end

    {:ok, recorder} = Recorder.start_link()
    # The recorder is in this VM, and nobody is to be connected to.
    state = %{Topology.state(server, recorder) | list_nodes: {:erlang, :nodes, []}}
    {:ok, strategy} = :peer.call(vm, :supervisor, :start_child, [:kernel_safe_sup, Topology.child_spec(state)])
    errors = fn -> :peer.call(vm, :sys, :get_state, [strategy]).incident.errors end
    wait_until(fn -> errors.() > 1 end)
    assert {:ok, %{last_error: %{kind: :library}}} = :peer.call(vm, LibclusterKubernetes, :info, [:k8s])
    assert FakeApiserver.journal(server) == []
    :peer.stop(vm)
  end

  test "a strategy killed 1,000 times leaves no thread, socket or descriptor behind", %{server: server} do
    {:ok, recorder} = Recorder.start_link()
    state = Topology.state(server, recorder)
    # Warm: what the first start loads stays.
    kill(state)
    wait_until(fn -> Resources.discoveries() == 0 end)
    before = descriptors()

    # Half of them in the middle of a request that is never answered, half wherever they are.
    for _ <- 1..500, do: kill(state)
    FakeApiserver.faults(server, [%{at: "accept", do: "hang"}])
    for _ <- 1..500, do: kill(state)

    wait_until(fn -> Resources.discoveries() == 0 end)
    wait_until(fn -> FakeApiserver.summary(server)["connections_open"] == 0 end)
    assert descriptors() <= before
  end

  test "the library can be purged and loaded again while a request is in flight", %{server: server} do
    FakeApiserver.faults(server, [%{at: "request", do: "hang", times: 1}])
    {:ok, {{library, _handle} = worker, ref}} = Native.start(options(server), self())
    wait_until(fn -> FakeApiserver.summary(server)["requests"] == 1 end)

    true = :code.delete(library)
    :code.purge(library)
    :erlang.garbage_collect()
    assert {:module, ^library} = :code.load_file(library)
    assert {:ok, %{ready: ["app@10.0.0.1"]}} = Topology.list(options(server))
    # Nobody but the worker's own thread knows it any more.
    assert Native.refresh(worker) == :outdated
    assert Native.stop(worker) == :ok

    FakeApiserver.no_faults(server)
    assert_receive {:libcluster_kubernetes, ^ref, {event, _}} when event in [:snapshot, :error]
  end

  # A refresh that comes while a list is running asks for none.
  defp list_twice_more(worker, server) do
    lists = FakeApiserver.summary(server)["lists"]

    wait_until(fn ->
      :ok = Native.refresh(worker)
      FakeApiserver.summary(server)["lists"] >= lists + 2
    end)
  end

  defp kill(state) do
    {:ok, pid} = start_unlinked(state)
    monitor = Process.monitor(pid)
    Process.exit(pid, :kill)
    assert_receive {:DOWN, ^monitor, :process, ^pid, :killed}
  end

  defp start_unlinked(state) do
    {:ok, pid} = Strategy.start_link([state])
    Process.unlink(pid)
    # It is running once it answers.
    _ = :sys.get_state(pid)
    {:ok, pid}
  end

  defp descriptors, do: "/proc/self/fd" |> File.ls!() |> length()
end
