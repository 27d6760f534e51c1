defmodule LibclusterKubernetes.Test.Scenarios do
  @moduledoc """
  What must hold while a topology watches, whatever the server: `use` makes a test of each scenario for each of its
  sources. The module that uses it puts the server into the context as `:server`.

  Ticks are two seconds apart and list nothing while a watch is open, so that all that happens sooner, or without a
  list, is the watch's doing.
  """

  import ExUnit.Assertions
  import ExUnit.Callbacks, only: [start_supervised!: 1, stop_supervised!: 1]
  import ExUnit.CaptureLog

  alias LibclusterKubernetes.{Native, Options}
  alias LibclusterKubernetes.Test.{Api, ErlangNode, Recorder, Topology}

  @sources [:endpoints, :endpoint_slices, :pods]

  # The limit for what takes the pauses after an outage of the real server, which are 30 s at most.
  @recovery 40_000

  @interval 2_000
  # The next tick, and time to act on it.
  @tick 3_500
  @disconnect_after 200
  # Twice what it takes until the absent are disconnected.
  @well_after 800

  @scenarios [
    come_and_go: {"members that are there, that come and that go", @sources},
    relabelled: {"an object that leaves the selector and returns", @sources},
    other_namespace: {"an object in another namespace", @sources},
    draining: {"a draining member keeps its connection and gets no new one", [:endpoint_slices, :pods]},
    self_draining: {"a node that is draining itself connects to nobody", [:pods]},
    not_allowed: {"without the verb watch it polls, and says so once", @sources},
    allowed_later: {"where the verb watch is granted later, it watches", @sources},
    stopped: {"the end of a topology closes a silent stream within a second", @sources}
  ]

  defmacro __using__(_opts) do
    tests =
      for {function, {name, sources}} <- @scenarios, source <- sources do
        quote do
          @tag source: unquote(source)
          test unquote("#{name}: #{source}"), %{server: server, source: source} do
            unquote(__MODULE__).unquote(function)(Api.new(server, source))
          end
        end
      end

    quote do
      alias LibclusterKubernetes.Test.{Api, Scenarios}

      unquote(tests)
    end
  end

  def come_and_go(api) do
    Api.members(api, ["10.1.0.1", "10.1.0.2"])
    start(api)
    assert_receive {:connect, :"app@10.1.0.1", true}
    assert_receive {:connect, :"app@10.1.0.2", true}
    Api.await_watches_open(api, 1)

    Api.members(api, ["10.1.0.1", "10.1.0.2", "10.1.0.3"])
    assert_receive {:connect, :"app@10.1.0.3", true}
    assert Api.lists(api) == 1

    written = now()
    Api.members(api, ["10.1.0.1", "10.1.0.3"])
    assert_receive {:disconnect, :"app@10.1.0.2"}
    assert now() - written >= @disconnect_after
    # The one that confirms the absence.
    assert Api.lists(api) == 2

    Api.members(api, ["10.1.0.1", "10.1.0.3", "10.1.0.4"])
    assert_receive {:connect, :"app@10.1.0.4", true}
    assert Api.lists(api) == 2
    refute_received {:connect, _, _}
    refute_received {:disconnect, _}
  end

  def relabelled(api) do
    Api.put(api, "one", ["10.1.0.1"])
    Api.put(api, "two", ["10.1.0.2"])
    # Without this one more than half would be missing: the VM of the tests is not in the answers.
    Api.put(api, "three", ["10.1.0.3"])
    start(api)
    for ip <- 1..3, do: assert_connect("app@10.1.0.#{ip}")
    Api.await_watches_open(api, 1)

    Api.label(api, "two", "other")
    assert_receive {:disconnect, :"app@10.1.0.2"}
    Api.label(api, "two", "app")
    assert_receive {:connect, :"app@10.1.0.2", true}

    # Back before it was missed.
    Api.label(api, "two", "other")
    Api.label(api, "two", "app")
    refute_receive {_, _}, @well_after
    assert Api.lists(api) == 2
  end

  def other_namespace(api) do
    Api.members(api, ["10.1.0.1"])
    start(api)
    assert_receive {:connect, :"app@10.1.0.1", true}
    Api.await_watches_open(api, 1)

    namespace = "#{api.namespace}-other"
    Api.namespace(api, namespace)
    Api.put(api, "app", ["10.1.0.9"], namespace: namespace)
    # Whatever was written before has been seen when this one is.
    Api.members(api, ["10.1.0.1", "10.1.0.2"])
    assert_receive {:connect, :"app@10.1.0.2", true}
    refute_received {:connect, _, _}
    assert Api.lists(api) == 1
  end

  def draining(api) do
    Api.members(api, ["10.1.0.1", "10.1.0.2", "10.1.0.3"])
    recorder = start(api)
    for ip <- 1..3, do: assert_connect("app@10.1.0.#{ip}")
    Api.await_watches_open(api, 1)

    Api.members(api, ["10.1.0.1", {"10.1.0.2", :draining}, {"10.1.0.3", :draining}])
    Api.members(api, ["10.1.0.1", {"10.1.0.2", :draining}, {"10.1.0.3", :draining}, "10.1.0.4"])
    assert_receive {:connect, :"app@10.1.0.4", true}
    refute_receive {:disconnect, _}, @well_after

    # A lost link comes back as long as they are in the answer.
    Recorder.lose(recorder, :"app@10.1.0.1")
    Recorder.lose(recorder, :"app@10.1.0.2")
    assert_receive {:connect, :"app@10.1.0.1", true}, @tick
    assert_receive {:connect, :"app@10.1.0.2", true}, @tick
    assert Api.lists(api) == 1

    Api.members(api, ["10.1.0.1", {"10.1.0.2", :draining}, "10.1.0.4"])
    assert_receive {:disconnect, :"app@10.1.0.3"}
    refute_received {:disconnect, _}
    refute_received {:connect, _, _}
  end

  # In nodes of their own: the VM of the tests has no name that could be found.
  def self_draining(api) do
    Api.members(api, ["127.0.0.2", "127.0.0.3", "127.0.0.4"])
    Api.members(api, [{"127.0.0.2", :draining}, "127.0.0.3", "127.0.0.4"])
    port = ErlangNode.free_port()
    for ip <- 2..4, do: start_node(api, "127.0.0.#{ip}", port)
    Api.await_watches_open(api, 3)

    assert_receive {:node, "127.0.0.3", "nodeup app@127.0.0.4"}, 10_000
    assert_receive {:node, "127.0.0.4", "nodeup app@127.0.0.3"}, 10_000
    refute_receive {:node, _, _}, @tick
  end

  def not_allowed(api) do
    Api.grant(api, ["list"])
    Api.members(api, ["10.1.0.1"])
    # A name of its own, by which its lines are found among those of tests that run at the same time.
    topology = :"not_allowed_#{System.unique_integer([:positive])}"

    log =
      capture_log(fn ->
        start(api, [polling_interval: 100], topology)
        assert_receive {:connect, :"app@10.1.0.1", true}
        Api.members(api, ["10.1.0.1", "10.1.0.2"])
        assert_receive {:connect, :"app@10.1.0.2", true}
        lists = Api.lists(api)
        Topology.wait_until(fn -> Api.lists(api) >= lists + 3 end)
      end)

    assert [line] = log |> String.split("\n") |> Enum.filter(&(&1 =~ "[libcluster:#{topology}]" and &1 =~ "[warning]"))
    assert line =~ ~s(verb "watch")
    assert line =~ "Until then it polls every polling_interval"
    assert Api.watches(api) == 1
  end

  # Without the strategy, whose patience before it asks again for a watch is three minutes.
  def allowed_later(api) do
    Api.grant(api, ["list"])
    Api.members(api, ["10.1.0.1"])
    {:ok, recorder} = Recorder.start_link()
    options = :k8s |> Options.new!(state(api, recorder, []).config) |> Options.to_native()
    {:ok, {worker, _ref} = started} = Native.start(%{options | watch_retry_ms: 300}, self())

    assert %{ready: ["app@10.1.0.1"], warnings: []} = Topology.next_snapshot(started)
    assert %{ready: ["app@10.1.0.1"], warnings: [warning]} = Topology.next_snapshot(started)
    assert warning =~ ~s(verb "watch")

    Api.members(api, ["10.1.0.1", "10.1.0.2"])
    :ok = Native.refresh(worker)
    Topology.snapshot_with(started, ["app@10.1.0.1", "app@10.1.0.2"])

    Api.grant(api, ["list", "watch"])
    Topology.refresh_until_watching(started)
    lists = Api.lists(api)
    Api.members(api, ["10.1.0.2"])
    assert %{warnings: []} = Topology.snapshot_with(started, ["app@10.1.0.2"])
    :ok = Native.refresh(worker)
    Api.members(api, ["10.1.0.2", "10.1.0.3"])
    Topology.snapshot_with(started, ["app@10.1.0.2", "app@10.1.0.3"])
    assert Api.lists(api) == lists
    :ok = Native.stop(worker)
  end

  def stopped(api) do
    Api.members(api, ["10.1.0.1"])
    start(api)
    assert_receive {:connect, :"app@10.1.0.1", true}
    Api.await_watches_open(api, 1)
    Api.silence(api.server)
    stop_supervised!(:k8s)
    Api.await_watches_open(api, 0, 1_000)
  end

  # All sources at once: on the real server this takes a restart.
  def expired(server) do
    apis = Enum.map(@sources, &Api.new(server, &1))

    for api <- apis do
      Api.members(api, ["10.1.0.1", "10.1.0.2"])
      start(api, [kubernetes_node_basename: api.source], api.source)
      assert_connect("#{api.source}@10.1.0.1")
      assert_connect("#{api.source}@10.1.0.2")
    end

    for api <- apis, do: Topology.wait_until(fn -> Api.watching?(api) end)

    Api.expire(server, fn ->
      for api <- apis, do: Api.members(api, ["10.1.0.1", "10.1.0.2", "10.1.0.3"])
    end)

    for api <- apis, do: assert_connect("#{api.source}@10.1.0.3", @recovery)
    for api <- apis, do: assert(Api.lists(api) >= 2)
    refute_receive {:disconnect, _}, @well_after
    refute_received {:connect, _, _}
    apis
  end

  @doc "A change is seen without a list by those whose history `expired/1` took."
  def watch_again(apis) do
    for api <- apis do
      Topology.wait_until(fn -> Api.watching?(api) end, @recovery)
      lists = Api.lists(api)
      Api.members(api, ["10.1.0.1", "10.1.0.2", "10.1.0.3", "10.1.0.4"])
      assert_connect("#{api.source}@10.1.0.4")
      assert Api.lists(api) == lists
    end
  end

  @doc "Starts a topology on `api`, and answers its recorder."
  def start(api, config \\ [], name \\ :k8s) do
    {:ok, recorder} = Recorder.start_link()
    start_supervised!(Topology.child_spec(state(api, recorder, config, name)))
    recorder
  end

  @doc "The state that libcluster would hand to the strategy."
  def state(api, recorder, config, name \\ :k8s) do
    defaults = [
      kubernetes_ip_lookup_mode: api.source,
      kubernetes_watch: :auto,
      polling_interval: @interval,
      kubernetes_disconnect_after: @disconnect_after
    ]

    Topology.state(api, recorder, Keyword.merge(defaults, config), name)
  end

  @doc "Waits for the call of `connect` with this node."
  def assert_connect(name, timeout \\ 5_000) do
    node = String.to_atom(name)
    assert_receive {:connect, ^node, true}, timeout
  end

  defp start_node(api, ip, port) do
    {:ok, recorder} = Recorder.start_link()
    config = state(api, recorder, []).config
    ErlangNode.start(ip, port, k8s: [strategy: LibclusterKubernetes.Strategy, config: config])
  end

  defp now, do: System.monotonic_time(:millisecond)
end
