defmodule LibclusterKubernetes.Strategy do
  @moduledoc """
  The libcluster strategy: connects the nodes that the Kubernetes API names.

      config :libcluster,
        topologies: [
          k8s: [
            strategy: LibclusterKubernetes.Strategy,
            config: [
              mode: :ip,
              kubernetes_node_basename: "myapp",
              kubernetes_selector: "app=myapp"
            ]
          ]
        ]

  The options are those of `LibclusterKubernetes.Options`. `connect`, `disconnect` and `list_nodes` of a topology work
  as with every strategy of libcluster, and so do its telemetry events.

  ## How it works

  One process per topology, which never waits: a thread of the NIF asks the API and sends what it hears as messages; each
  node is connected to by a process of its own. The guide "How it works" leads through it.

  * The thread lists once and then watches; where it may not, it lists at every tick (`polling_interval` ± 10 %). An error
    changes nothing.
  * Of two nodes that are news to each other the one with the smaller name dials first. Links that are lost are made again.
  * A member in the answer is never let go of. Whoever is absent for `kubernetes_disconnect_after`, and still connected, is
    judged by a list of that moment. One that is empty, cut short, about nobody of this cluster, or without more than half
    of it decides nothing: everybody stays, and the log and `LibclusterKubernetes.info/1` say so.
  * Whoever is gone by that list is asked to leave, and judges by a list of its own. It leaves by `:global.disconnect/0`
    (OTP 25.1), which costs no other link. Only who does not answer, as it runs another strategy, is disconnected
    explicitly: for that `global` cuts links among the others (`prevent_overlapping_partitions`, OTP 25).
  * A node that another topology of this VM holds stays.
  """

  use GenServer
  use Cluster.Strategy

  alias LibclusterKubernetes.{Info, Native, Options, Telemetry}

  alias LibclusterKubernetes.Strategy.{Activity, Incident, Job, Judging, Log, Membership, Notices}
  alias LibclusterKubernetes.Strategy.{JobOutcome, Review, State, Waiters}

  @doc """
  Starts the strategy. libcluster calls it with its description of the topology.

  Raises `ArgumentError` where an option is missing or wrong, see `LibclusterKubernetes.Options`.
  """
  @impl Cluster.Strategy
  @spec start_link([Cluster.Strategy.State.t()]) :: GenServer.on_start()
  def start_link([%Cluster.Strategy.State{} = topology]) do
    GenServer.start_link(__MODULE__, {topology, Options.new!(topology.topology, topology.config)})
  end

  @impl GenServer
  def init({topology, options}) do
    # Jobs end by exits; and a code purge kills those that run purged code, which is not to end the topology with them.
    Process.flag(:trap_exit, true)
    {:ok, State.new(topology, options), {:continue, :start}}
  end

  @impl GenServer
  def handle_continue(:start, state) do
    Enum.each(state.options.warnings, &Log.write(state.topology, {:warn, &1}))
    # An idle topology can be found and asked about; there is nobody that it could find.
    if state.options.idle, do: {:noreply, state}, else: {:noreply, begin(state)}
  end

  # A worker that cannot be stopped, because its library is gone, ends when nobody holds it any more. (To hibernate would
  # not do: it collects nothing while a message waits.)
  def handle_continue(:forget, state) do
    :erlang.garbage_collect()
    {:noreply, state}
  end

  # Hot upgrade. The worker is replaced by the next tick.
  @impl GenServer
  def code_change(_old_version, state, _extra), do: {:ok, State.upgrade(state)}

  @impl GenServer
  def handle_call(:options, _from, state), do: {:reply, state.options, state}

  def handle_call(:info, _from, state), do: {:reply, Info.new(state, State.connected(state)), state}

  def handle_call({:await, _peers, _timeout}, _from, %{options: %{idle: idle}} = state) when idle != nil do
    {:reply, {:error, :timeout}, state}
  end

  def handle_call({:await, peers, timeout}, from, state) do
    # What is at rest may not be for whoever waits.
    state = %{state | waiters: Waiters.add(state.waiters, from, peers, timeout), at_rest: nil}
    {:noreply, Review.run(state, now())}
  end

  @impl GenServer
  def handle_info(:tick, state) do
    case refresh(state) do
      :ok -> {:noreply, tick(state)}
      :outdated -> {:noreply, state |> start_worker() |> tick(), {:continue, :forget}}
    end
  end

  def handle_info(:review, state), do: {:noreply, Review.run(state, now())}

  def handle_info({:libcluster_kubernetes, ref, event}, %{ref: ref} = state), do: {:noreply, heard(event, state)}

  def handle_info({:libcluster_kubernetes, ref, {:list, answer}}, %{judging: %{ref: ref}} = state) do
    {:noreply, state |> Judging.heard(answer, now()) |> Review.run(now())}
  end

  # Others no longer see this node in their answers.
  def handle_info({:asked_to_leave, asker}, state), do: {:noreply, Judging.asked(state, asker, now())}

  def handle_info({:EXIT, process, reason}, %{jobs: jobs} = state) when is_map_key(jobs, process) do
    {job, result, jobs} = Job.ended(jobs, process, reason)
    {:noreply, %{state | jobs: jobs} |> JobOutcome.take_in(job, result, now()) |> Review.go_on(job, now())}
  end

  # The registry has lost the entry, without which this node would leave whenever it is asked to. It is back in no time.
  def handle_info({:EXIT, _registry, _reason}, state) do
    Process.send_after(self(), :enter, 10)
    {:noreply, state}
  end

  def handle_info(:enter, state), do: {:noreply, State.stay_entered(state)}

  def handle_info({:nodeup, _node}, state), do: {:noreply, Review.soon(state, now())}

  def handle_info({:await_over, waiter}, state) do
    {:noreply, %{state | waiters: Waiters.time_over(state.waiters, waiter)}}
  end

  def handle_info(_other, state), do: {:noreply, state}

  # What the worker says.
  defp heard({:snapshot, snapshot}, state) do
    answered(%{state | changes: 0}, snapshot, &Membership.observe(&1, self_name(), snapshot, now()))
  end

  # A worker is to be replaced that has lost changes, or whose changes were lost: the next one begins with a snapshot.
  defp heard({:changed, _mark, _gone, _news}, %{changes: :lost} = state), do: state

  defp heard({:changed, mark, gone, news}, state) do
    changed = Membership.change(state.membership, self_name(), gone, news, now())

    case {state.changes + 1, Membership.size(changed)} do
      ^mark ->
        answered(%{state | changes: state.changes + 1}, news, fn _before -> changed end)

      expected ->
        Log.out_of_step(state.topology, expected, mark)
        %{state | changes: :lost}
    end
  end

  # Nearly every poll ends here: nothing in it grows with the number of members.
  defp heard(:unchanged, state) do
    state = State.change(state, &Membership.confirm/1)
    if Incident.lasts?(state.incident), do: state |> end_incident({:answer, 0, 0}) |> Review.run(now()), else: state
  end

  defp heard(:watching, state) do
    Telemetry.watching(state.options)
    end_incident(%{state | activity: Activity.watching(state.activity, DateTime.utc_now())}, :watching)
  end

  defp heard({:error, error}, state) do
    {incident, log} = Incident.failed(state.incident, error, now())
    Log.write(state.topology, log)
    Telemetry.error(state.options, error, incident)
    %{state | incident: incident, activity: Activity.failed(state.activity, error, DateTime.utc_now())}
  end

  defp heard({:listed, listed}, state) do
    Telemetry.listed(state.options, listed)
    watch? = state.options.values.kubernetes_watch == :auto
    %{state | activity: Activity.listed(state.activity, listed, watch?, DateTime.utc_now())}
  end

  defp heard({:watched, watched}, state) do
    Telemetry.watched(state.options, watched)
    %{state | activity: Activity.watched(state.activity, watched)}
  end

  # An answer, whole or what has changed: the cost of the latter does not grow with the number of members.
  defp answered(%{membership: before} = state, answer, change) do
    activity = Activity.heard(state.activity, DateTime.utc_now())
    state = %{state | activity: activity, resource_version: answer.resource_version}
    state = state |> State.hold(answer) |> State.change(change) |> notify(answer, Membership.anybody?(before))
    {came, gone} = changes = Membership.changes(before, state.membership)
    state = state |> end_incident({:answer, came, gone}) |> Review.run(now())
    Telemetry.snapshot(state.options, answer, state.membership, changes)
    :ok = Native.acknowledge(state.worker, state.ref)
    state
  end

  defp notify(state, answer, known_members?) do
    state.notices
    |> Notices.heard(answer, state.membership.counts, known_members?, state.options, now())
    |> say(state)
  end

  defp say({texts, notices}, state) do
    Enum.each(texts, &Log.write(state.topology, {:warn, &1}))
    %{state | notices: notices}
  end

  defp end_incident(state, ending) do
    Telemetry.recovery(state.options, state.incident, ending, now())
    {incident, log} = Incident.ended(state.incident, ending, now())
    Log.write(state.topology, log)
    %{state | incident: incident, activity: Activity.recovered(state.activity)}
  end

  defp tick(state) do
    state = State.stay_entered(state)
    state.notices |> Notices.due(now()) |> say(state) |> Review.run(now()) |> schedule_tick()
  end

  defp schedule_tick(state) do
    interval = state.options.values.polling_interval
    Process.send_after(self(), :tick, round(interval * (0.9 + 0.2 * :rand.uniform())))
    state
  end

  defp begin(state) do
    Log.undistributed(state.topology)
    state |> start_worker() |> schedule_tick()
  end

  # It knows this node by the name that it was started with.
  defp refresh(%{worker: worker, node: node}) when worker == nil or node != node(), do: :outdated
  defp refresh(%{changes: :lost}), do: :outdated
  defp refresh(state), do: Native.refresh(state.worker)

  # In the place of another one: what is known stays, and what that one still sends is ignored.
  defp start_worker(state) do
    case state.options |> Options.to_native() |> Native.start(self()) do
      {:ok, {worker, ref}} ->
        if state.worker, do: :ok = Native.stop(state.worker)
        %{state | worker: worker, ref: ref, node: node(), changes: 0}

      {:error, text} ->
        heard({:error, Native.library_error(text)}, state)
    end
  end

  defp self_name, do: Atom.to_string(node())

  defp now, do: System.monotonic_time(:millisecond)
end
