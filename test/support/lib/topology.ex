defmodule LibclusterKubernetes.Test.Topology do
  @moduledoc "Starts the strategy as `Cluster.Supervisor` would, with a `Recorder` in place of distribution."

  import ExUnit.Assertions
  import ExUnit.Callbacks, only: [start_supervised!: 1]

  alias LibclusterKubernetes.Native
  alias LibclusterKubernetes.Test.{FakeApiserver, Recorder}

  @doc """
  A `setup`: a server and a recorder of the test's own, and a name that no other test's topology has, in the context as
  `:server`, `:recorder` and `:topology`, for `start/3`.
  """
  def alone(context) do
    {:ok, recorder} = Recorder.start_link()
    context |> FakeApiserver.serve() |> Map.merge(%{recorder: recorder, topology: context.test})
  end

  @doc "Starts a topology with what `alone/1` made."
  def start(context, config \\ [], name \\ nil) do
    start_supervised!(child_spec(state(context.server, context.recorder, config, name || context.topology)))
  end

  @doc "Has these be the members, at the server of `alone/1`."
  def members(context, ips, opts \\ []) do
    FakeApiserver.put(context.server, "endpoints", "app", FakeApiserver.endpoints(ips, opts))
  end

  @doc "Starts a topology that has these members and is connected to all of them."
  def connected(context, ips, config) do
    members(context, ips)
    pid = start(context, config)
    for ip <- ips, node = :"app@#{ip}", do: assert_receive({:connect, ^node, true})
    pid
  end

  @doc "The least that a topology needs to find, at this server, nodes called `app@IP`."
  def config(server, more \\ []) do
    defaults = [
      kubernetes_node_basename: "app",
      kubernetes_selector: "app=app",
      kubernetes_master: server.url,
      kubernetes_service_account_path: server.service_account
    ]

    Keyword.merge(defaults, more)
  end

  @doc "The state that libcluster would hand to the strategy: quick polls of this server, no watch, nodes called `app@IP`."
  def state(server, recorder, config \\ [], name \\ :k8s) do
    quick = [polling_interval: 40, kubernetes_watch: false, kubernetes_disconnect_after: 200]
    config = config(server, Keyword.merge(quick, config))
    struct!(Cluster.Strategy.State, Recorder.mfas(recorder) ++ [topology: name, config: config])
  end

  @doc "A topology's child specification, for `start_supervised!/1`."
  def child_spec(state) do
    %{id: state.topology, start: {LibclusterKubernetes.Strategy, :start_link, [[state]]}, restart: :temporary}
  end

  @doc "Lists once, and waits for the answer."
  def list(options, timeout \\ 20_000) do
    {:ok, {_question, ref}} = Native.list(options, self())

    receive do
      {:libcluster_kubernetes, ^ref, {:list, answer}} -> answer
    after
      timeout -> raise "no answer came"
    end
  end

  @doc """
  Waits for the next answer of a worker that `Native.start/2` gave, and lets the one after it come. What has changed is given as
  the snapshot that it comes to.
  """
  def next_snapshot({worker, ref}, timeout \\ 5_000) do
    receive do
      {:libcluster_kubernetes, ^ref, answer} when elem(answer, 0) in [:snapshot, :changed] ->
        :ok = Native.acknowledge(worker, ref)
        snapshot = snapshot(answer, Process.get(ref))
        Process.put(ref, snapshot)
        snapshot
    after
      timeout -> raise "no answer came"
    end
  end

  defp snapshot({:snapshot, snapshot}, _before), do: snapshot

  defp snapshot({:changed, {_number, members}, gone, news}, before) do
    lists = [:ready, :not_ready, :draining]
    changed = gone ++ Enum.flat_map(lists, &Map.fetch!(news, &1))
    snapshot = for list <- lists, into: news, do: {list, Enum.sort(Map.fetch!(news, list) ++ (before[list] -- changed))}
    ^members = lists |> Enum.map(&length(Map.fetch!(snapshot, &1))) |> Enum.sum()
    snapshot
  end

  @doc "Waits for the first snapshot with these ready members: others may come before it."
  def snapshot_with(started, names) do
    case next_snapshot(started) do
      %{ready: ^names} = snapshot -> snapshot
      _earlier -> snapshot_with(started, names)
    end
  end

  @doc "Ticks as the strategy does until a watch is open; snapshots that come meanwhile are acknowledged."
  def refresh_until_watching(started, deadline \\ 10_000) do
    refresh_until(started, System.monotonic_time(:millisecond) + deadline)
  end

  defp refresh_until({worker, ref} = started, until) do
    if System.monotonic_time(:millisecond) > until, do: raise("it does not watch")
    :ok = Native.refresh(worker)

    receive do
      {:libcluster_kubernetes, ^ref, :watching} ->
        :ok

      {:libcluster_kubernetes, ^ref, answer} when elem(answer, 0) in [:snapshot, :changed] ->
        send(self(), {:libcluster_kubernetes, ref, answer})
        next_snapshot(started)
        refresh_until(started, until)
    after
      100 -> refresh_until(started, until)
    end
  end

  @doc "Waits until the server has answered `count` more lists than now: what it answered before has been acted on."
  def await_lists(server, count, deadline \\ 10_000) do
    target = FakeApiserver.summary(server)["lists"] + count
    wait_until(fn -> FakeApiserver.summary(server)["lists"] >= target end, deadline)
  end

  @doc "Polls for what sends no message, with a limit."
  def wait_until(condition, deadline \\ 10_000) do
    until = System.monotonic_time(:millisecond) + deadline
    wait(condition, until)
  end

  defp wait(condition, until) do
    cond do
      condition.() ->
        :ok

      System.monotonic_time(:millisecond) > until ->
        raise "what was waited for did not come"

      true ->
        receive do
        after
          10 -> wait(condition, until)
        end
    end
  end
end
