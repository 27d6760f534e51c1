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

  One process per topology, which never waits: a thread of the NIF asks the API and sends the answers as messages;
  each node is connected to by a task of its own.

  * The thread lists once and then watches; every change arrives as a snapshot, all names of a complete state of the
    API. Where it may not watch, every tick (`polling_interval` ± 10 %) asks for a list.
  * A snapshot replaces the known members. An error replaces nothing. Every tick connects to known members that are not
    connected.
  * A member that is absent from snapshots is disconnected after `kubernetes_disconnect_after`, when a list of that
    moment confirms it; never while the API fails, never if another topology of this VM holds it.
  * A node that sees itself absent for that long leaves by `:global.disconnect/0`, where it exists (OTP 25.1) and the
    topology's `disconnect` is the default; else it disconnects the members one by one. It connects to nobody until it
    is back.

  Since OTP 25 an explicit disconnect of a live node makes `global` cut links among the others
  (`prevent_overlapping_partitions`), while a node that leaves by itself costs no other link. So a node that does not
  see that it is gone is asked to leave, before it would be disconnected. It stays where its own healthy view of the API
  names it: a link too many harms nobody.
  """

  use GenServer
  use Cluster.Strategy

  alias LibclusterKubernetes.{Info, Native, Options, Telemetry}

  alias LibclusterKubernetes.Strategy.{
    Activity,
    Incident,
    Jobs,
    Log,
    Membership,
    Notices,
    Outcome,
    Review,
    State,
    Waiters
  }

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
    # A code purge kills the tasks that run purged code; it is not to end the topology with them.
    Process.flag(:trap_exit, true)
    # From now on this topology can be found, and asked to leave.
    {:ok, topology |> State.new(options, now()) |> State.publish(), {:continue, :start}}
  end

  @impl GenServer
  def handle_continue(:start, state) do
    Enum.each(state.options.warnings, &Log.write(state.topology, {:warn, &1}))
    Log.undistributed(state.topology)
    {:ok, {worker, ref}} = start_worker(state)
    {:noreply, schedule_tick(%{state | worker: worker, ref: ref})}
  end

  # Hot upgrade. The worker is replaced by the next tick.
  @impl GenServer
  def code_change(_old_version, state, _extra), do: {:ok, State.upgrade(state)}

  @impl GenServer
  def handle_call(:options, _from, state), do: {:reply, state.options, state}

  def handle_call(:info, _from, state), do: {:reply, Info.new(state, State.connected(state)), state}

  def handle_call({:await, peers, timeout}, from, state) do
    {:noreply, answer_waiters(%{state | waiters: Waiters.add(state.waiters, from, peers, timeout)})}
  end

  # Others no longer see this node in their answers.
  def handle_call(:leave_unless_member, _from, state) do
    if Membership.member?(state.membership) and not Incident.lasts?(state.incident) do
      {:reply, :stays, state}
    else
      membership = Membership.dismiss(state.membership, Atom.to_string(node()), now())
      state = State.publish(%{state | membership: membership})
      {:reply, :left, State.start(state, {:leave, MapSet.to_list(State.connected(state))})}
    end
  end

  @impl GenServer
  def handle_info(:tick, state) do
    # A poll may be answered from a server's cache, but not when it decides about a disconnect.
    case Native.refresh(state.worker, Membership.deciding?(state.membership)) do
      :ok -> {:noreply, tick(state)}
      # To hibernate collects the garbage: a worker that cannot be stopped, because its library is gone, ends with that.
      :outdated -> {:noreply, state |> replace_worker() |> tick(), :hibernate}
    end
  end

  def handle_info(:review, state), do: {:noreply, state |> confirm() |> Review.run(now())}

  def handle_info({:libcluster_kubernetes, ref, event}, %{ref: ref} = state), do: {:noreply, heard(event, state)}

  def handle_info({task, result}, state) when is_map_key(state.jobs, task), do: {:noreply, ended(task, result, state)}

  def handle_info({:DOWN, task, :process, _pid, reason}, state) when is_map_key(state.jobs, task) do
    {:noreply, ended(task, {:error, reason}, state)}
  end

  def handle_info({:nodeup, _node}, state), do: {:noreply, answer_waiters(state)}

  def handle_info({:await_over, waiter}, state) do
    {:noreply, %{state | waiters: Waiters.time_over(state.waiters, waiter)}}
  end

  def handle_info(_other, state), do: {:noreply, state}

  # What the worker says.
  defp heard({:snapshot, snapshot}, %{membership: known} = state) do
    state = state |> notify(snapshot) |> observe(snapshot)
    {came, gone} = changes = Membership.changes(known, state.membership)
    state = state |> end_incident({:answer, came, gone}) |> State.publish() |> Review.run(now()) |> answer_waiters()
    Telemetry.snapshot(state.options, snapshot, changes)
    :ok = Native.acknowledge(state.worker, state.ref)
    state
  end

  defp heard({:unchanged, freshness}, state) do
    routine? = Membership.nobody_absent?(state.membership) and not Incident.lasts?(state.incident)
    state = %{state | membership: Membership.confirm(state.membership, freshness, now())}
    # Nearly every poll ends here: nothing in it grows with the number of members.
    if routine?, do: state, else: state |> State.publish() |> end_incident({:answer, 0, 0}) |> Review.run(now())
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

  defp notify(state, snapshot) do
    known_members? = not Enum.empty?(Membership.held(state.membership))
    {texts, said} = Notices.new_ones(state.said, snapshot, known_members?)
    Enum.each(texts, &Log.write(state.topology, {:warn, &1}))
    %{state | said: said}
  end

  defp observe(state, snapshot) do
    membership = Membership.observe(state.membership, Atom.to_string(node()), snapshot, now())
    activity = Activity.heard(state.activity, DateTime.utc_now())
    %{state | membership: membership, activity: activity, resource_version: snapshot.resource_version}
  end

  defp end_incident(state, ending) do
    Telemetry.recovery(state.options, state.incident, ending, now())
    {incident, log} = Incident.ended(state.incident, ending, now())
    Log.write(state.topology, log)
    %{state | incident: incident}
  end

  defp ended(task, result, state) do
    {job, jobs} = Jobs.ended(state.jobs, task)
    %{state | jobs: jobs} |> Outcome.take_in(job, result, now()) |> Review.schedule(now()) |> answer_waiters()
  end

  defp answer_waiters(%{waiters: []} = state), do: state

  defp answer_waiters(state) do
    progress = Waiters.progress(state.membership, state.dialing, State.connected(state))
    %{state | waiters: Waiters.answer(state.waiters, progress)}
  end

  defp tick(state), do: state |> confirm() |> Review.run(now()) |> schedule_tick()

  defp schedule_tick(state) do
    interval = state.options.values.polling_interval
    Process.send_after(self(), :tick, round(interval * (0.9 + 0.2 * :rand.uniform())))
    state
  end

  # Whoever is to be disconnected must be absent from an answer of now. The next poll would tell as well, as it is one that
  # decides; a watch only speaks of changes.
  defp confirm(state) do
    # A worker that is outdated is replaced by the next tick, and its successor begins with a list.
    if Membership.unconfirmed?(state.membership, now()), do: _ = Native.relist(state.worker)
    state
  end

  defp start_worker(state), do: state.options |> Options.to_native() |> Native.start(self())

  # What is known stays; what the old worker still sends is ignored.
  defp replace_worker(state) do
    case start_worker(state) do
      {:ok, {worker, ref}} ->
        :ok = Native.stop(state.worker)
        %{state | worker: worker, ref: ref}

      {:error, reason} ->
        heard({:error, %{kind: :library, message: reason, status: nil, retry_after_ms: nil}}, state)
    end
  end

  defp now, do: System.monotonic_time(:millisecond)
end
