defmodule LibclusterKubernetes.AwaitTest do
  use ExUnit.Case, async: true

  import ExUnit.CaptureLog
  import LibclusterKubernetes, only: [await: 1, await: 2]
  import LibclusterKubernetes.Test.FakeApiserver, only: [endpoints: 1, endpoints: 2]

  alias LibclusterKubernetes.Await
  alias LibclusterKubernetes.Test.{FakeApiserver, Log, Recorder, Topology}

  doctest LibclusterKubernetes, only: [await: 2]

  setup context, do: Topology.alone(context)

  defp spec(context, config \\ []) do
    Topology.child_spec(Topology.state(context.server, context.recorder, config, context.topology))
  end

  defp members(context, ips), do: FakeApiserver.put(context.server, "endpoints", "app", endpoints(ips))

  # The reductions of a process that connects to so many.
  defp connect_all(context, members, wait) do
    {:ok, recorder} = Recorder.start_link()
    name = :"#{context.topology} #{System.unique_integer()}"
    state = Topology.state(context.server, recorder, [polling_interval: 60_000], name)
    pid = start_supervised!(Topology.child_spec(state))
    wait.(name)

    Topology.wait_until(fn ->
      length(Recorder.list_nodes(recorder)) == members and :sys.get_state(pid).dialing.in_flight == %{}
    end)

    {:reductions, reductions} = Process.info(pid, :reductions)
    reductions
  end

  describe "await/2 without :peers" do
    test "is over when everybody of the first answer is connected or was tried", context do
      members(context, ["10.0.0.1", "10.0.0.2"])
      Recorder.unreachable(context.recorder, [:"app@10.0.0.2"])
      start_supervised!(spec(context))
      assert await(context.topology) == {:ok, :answered}
      assert_received {:connect, :"app@10.0.0.1", true}
      assert_received {:connect, :"app@10.0.0.2", false}
    end

    test "is over when the answer names nobody", context do
      start_supervised!(spec(context))
      assert await(context.topology) == {:ok, :answered}
    end

    test "an error is no answer", context do
      FakeApiserver.faults(context.server, [%{at: "request", do: %{status: %{code: 403}}}])
      start_supervised!(spec(context))
      assert await(context.topology, timeout: 300) == {:error, :timeout}
      FakeApiserver.no_faults(context.server)
      assert await(context.topology) == {:ok, :answered}
    end
  end

  describe "await/2 with :peers" do
    test "is over when so many are connected, whenever they come", context do
      members(context, ["10.0.0.1"])
      start_supervised!(spec(context))
      assert await(context.topology, peers: 1) == {:ok, :peers}
      assert await(context.topology, peers: 2, timeout: 100) == {:error, :timeout}

      waiting = Task.async(fn -> await(context.topology, peers: 2) end)
      members(context, ["10.0.0.1", "10.0.0.2"])
      assert Task.await(waiting) == {:ok, :peers}
    end

    test "makes hundreds of members cost the process hardly more than without", context do
      members(context, for(number <- 1..400, do: "10.0.#{div(number, 200)}.#{rem(number, 200)}"))
      alone = connect_all(context, 400, fn _topology -> :ok end)
      waited_for = connect_all(context, 400, &(await(&1, peers: 400) == {:ok, :peers}))
      assert waited_for < 3 * alone
    end

    test "counts whoever is connected, before any answer names it", context do
      FakeApiserver.faults(context.server, [%{at: "request", do: %{status: %{code: 403}}}])
      start_supervised!(spec(context))
      Recorder.connect(context.recorder, :"new@10.0.0.9")
      assert await(context.topology, peers: 1) == {:ok, :peers}
      assert await(context.topology, timeout: 10) == {:error, :timeout}
    end

    test "members that become ready only after their start find each other meanwhile", context do
      not_ready = ["10.0.0.1", "10.0.0.2"]
      FakeApiserver.put(context.server, "endpoints", "app", endpoints([], not_ready: not_ready))
      start_supervised!(spec(context))
      # Nobody waits: nobody is connected to.
      assert await(context.topology) == {:ok, :answered}
      refute_received {:connect, _, _}

      assert await(context.topology, peers: 2) == {:ok, :peers}
      assert_received {:connect, :"app@10.0.0.1", true}
      assert_received {:connect, :"app@10.0.0.2", true}
    end

    test "nobody new that is not ready is connected to when the waiting is over", context do
      FakeApiserver.put(context.server, "endpoints", "app", endpoints([], not_ready: ["10.0.0.1"]))
      Recorder.unreachable(context.recorder, [:"app@10.0.0.1"])
      pid = start_supervised!(spec(context))
      assert await(context.topology) == {:ok, :answered}
      assert await(context.topology, peers: 1, timeout: 100) == {:error, :timeout}
      assert_receive {:connect, :"app@10.0.0.1", false}
      Topology.wait_until(fn -> :sys.get_state(pid).dialing.missing == %{} end)
    end

    test "a topology that starts later, or again, is waited for", context do
      members(context, ["10.0.0.1"])
      waiting = Task.async(fn -> await(context.topology, peers: 1) end)
      pid = start_supervised!(%{spec(context) | restart: :permanent})
      assert Task.await(waiting) == {:ok, :peers}

      waiting = Task.async(fn -> await(context.topology, peers: 2) end)
      Topology.wait_until(fn -> :sys.get_state(pid).waiters != [] end)
      Process.exit(pid, :kill)
      members(context, ["10.0.0.1", "10.0.0.2"])
      assert Task.await(waiting) == {:ok, :peers}
    end

    test "a process that hangs holds up nobody for longer", context do
      pid = start_supervised!(spec(context))
      :ok = :sys.suspend(pid)
      assert await(context.topology, timeout: 50) == {:error, :timeout}
      :ok = :sys.resume(pid)
      assert await(context.topology) == {:ok, :answered}
    end

    test "nobody waits any longer when the time is over", context do
      pid = start_supervised!(spec(context))
      assert await(context.topology, peers: 1, timeout: 50) == {:error, :timeout}
      assert :sys.get_state(pid).waiters == []
    end
  end

  test "a topology that is not there is a timeout", context do
    assert await(context.topology, timeout: 50) == {:error, :timeout}
    assert await(context.topology, timeout: 0) == {:error, :timeout}
  end

  describe "as a child" do
    test "the next child starts when the cluster is there", context do
      members(context, ["10.0.0.1"])
      test = self()
      next = %{id: :next, start: {Task, :start_link, [fn -> send(test, {:next, self()}) end]}}
      children = [spec(context), {Await, topology: context.topology, peers: 1}, next]
      start_supervised!(%{id: :all, start: {Supervisor, :start_link, [children, [strategy: :one_for_one]]}})
      assert_received {:connect, :"app@10.0.0.1", true}
      assert_receive {:next, _}
    end

    test "a timeout is logged, and the start goes on", context do
      start_supervised!(spec(context))
      log = capture_log(fn -> assert Await.start_link(topology: context.topology, peers: 3, timeout: 10) == :ignore end)
      assert log =~ "peers: 3"
      assert log =~ "diagnose"
    end

    # Its timeout is longer than a test may take.
    test "a topology that does not run is not waited for", context do
      other = :"another than #{context.topology}"
      opts = [topology: other, peers: 1, timeout: 3_600_000]
      assert capture_log(fn -> assert Await.start_link(opts) == :ignore end) =~ "another than"

      start_supervised!(spec(context))
      log = capture_log(fn -> assert Await.start_link(opts) == :ignore end)
      assert log =~ "no topology #{inspect(other)} runs"
      assert log =~ inspect(context.topology)
    end

    test "a topology that is idle is not waited for, which needs no word more than its own", context do
      capture_log(fn ->
        start_supervised!(spec(context, kubernetes_selector: nil))
        assert {:ok, %{mode: :idle}} = LibclusterKubernetes.info(context.topology)
      end)

      opts = [topology: context.topology, peers: 1, timeout: 3_600_000]
      assert Log.naming(context.topology, fn -> assert Await.start_link(opts) == :ignore end) == ""
    end
  end

  describe "wrong arguments are refused" do
    for {opts, text} <- [
          {[peers: 0], "the option peers is 0, but must be nil or a number of members"},
          {[peers: "2"], ~s(the option peers is "2")},
          {[timeout: :infinity], "the option timeout is :infinity, but must be milliseconds"},
          {[timeout: -1], "the option timeout is -1"},
          {[timeout: 1_000_000_000_000_000], "from 0 to 4294967295"},
          {[peer: 1], "the option :peer is unknown: there are :peers and :timeout"},
          {:peers, "options are a keyword list, not :peers"}
        ] do
      test "as #{inspect(opts)}" do
        assert_raise ArgumentError, ~r/#{Regex.escape(unquote(text))}/, fn -> await(:k8s, unquote(opts)) end
      end
    end

    test "as a topology that is no name" do
      assert_raise ArgumentError, ~r/by its name, an atom as in config :libcluster, not by "k8s"/, fn ->
        await("k8s")
      end
    end

    test "before a child is started" do
      assert_raise ArgumentError, ~r/needs the name of a topology/, fn -> Await.child_spec(peers: 1) end

      assert_raise ArgumentError, ~r/the option timeout is nil/, fn ->
        Await.child_spec(topology: :k8s, timeout: nil)
      end
    end
  end
end
