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

  alias Cluster.Logger
  alias Cluster.Strategy.State

  alias LibclusterKubernetes.{Info, Native, Options, Telemetry}

  alias LibclusterKubernetes.Strategy.{
    Activity,
    Connections,
    Dialing,
    Incident,
    Job,
    Membership,
    Notices,
    Topologies,
    Waiters
  }

  @default_connect {:net_kernel, :connect_node, []}

  @enforce_keys [:topology, :options, :membership]
  defstruct [
    # The topology as libcluster describes it: name, connect, disconnect and list_nodes.
    :topology,
    :options,
    :membership,
    # The NIF's thread, and the reference in its messages.
    :worker,
    :ref,
    :review_timer,
    # The server's mark of the last snapshot.
    :resource_version,
    # The connections and members of the last review, if it left nothing to do.
    :settled,
    # The failure that lasts, if one does. While it does, the membership is what it was before.
    incident: Incident.new(),
    activity: %Activity{},
    connections: Connections.new(),
    dialing: Dialing.new(),
    said: MapSet.new(),
    # Whether it was said that there is no room for more names.
    full?: false,
    tasks: %{},
    # Who waits for the first answer, or for connected members.
    waiters: []
  ]

  @doc """
  Starts the strategy. libcluster calls it with its description of the topology.

  Raises `ArgumentError` where an option is missing or wrong, see `LibclusterKubernetes.Options`.
  """
  @impl Cluster.Strategy
  @spec start_link([State.t()]) :: GenServer.on_start()
  def start_link([%State{} = topology]) do
    GenServer.start_link(__MODULE__, {topology, Options.new!(topology.topology, topology.config)})
  end

  @impl GenServer
  def init({topology, options}) do
    # A code purge kills the tasks that run purged code; it is not to end the topology with them.
    Process.flag(:trap_exit, true)
    %{kubernetes_disconnect_after: disconnect_after, polling_interval: interval} = options.values
    membership = Membership.new(disconnect_after, interval)
    # From now on this topology can be found, and asked to leave.
    Topologies.hold(%Topologies{topology: topology.topology})
    {:ok, %__MODULE__{topology: topology, options: options, membership: membership}, {:continue, :start}}
  end

  @impl GenServer
  def handle_continue(:start, state) do
    Enum.each(state.options.warnings, &log(state, {:warn, &1}))
    warn_if_not_distributed(state)
    {:ok, {worker, ref}} = start_worker(state)
    {:noreply, schedule_tick(%{state | worker: worker, ref: ref})}
  end

  # Hot upgrade: fields that are new get their defaults. The worker is replaced by the next tick.
  @impl GenServer
  def code_change(_old_version, state, _extra), do: {:ok, struct(__MODULE__, Map.from_struct(state))}

  @impl GenServer
  def handle_call(:options, _from, state), do: {:reply, state.options, state}

  # Others no longer see this node in their answers.
  def handle_call(:leave_unless_member, _from, state) do
    if Membership.member?(state.membership) and not Incident.lasts?(state.incident) do
      {:reply, :stays, state}
    else
      membership = Membership.dismiss(state.membership, Atom.to_string(node()), now())
      state = hold(%{state | membership: membership})
      {:reply, :left, start_task(state, {:leave, MapSet.to_list(connected(state))})}
    end
  end

  def handle_call(:info, _from, state), do: {:reply, Info.new(state, connected(state)), state}

  def handle_call({:await, peers, timeout}, from, state) do
    {:noreply, answer_waiters(%{state | waiters: Waiters.add(state.waiters, from, peers, timeout)})}
  end

  @impl GenServer
  def handle_info(:tick, state) do
    case ask(state) do
      :ok -> {:noreply, tick(state)}
      # To hibernate collects the garbage: a worker that cannot be stopped, because its library is gone, ends with that.
      :outdated -> {:noreply, state |> replace_worker() |> tick(), :hibernate}
    end
  end

  def handle_info(:review, state), do: {:noreply, state |> confirm() |> review()}

  def handle_info({:libcluster_kubernetes, ref, event}, %{ref: ref} = state), do: {:noreply, heard(event, state)}

  def handle_info({task, result}, state) when is_map_key(state.tasks, task) do
    Process.demonitor(task, [:flush])
    {job, tasks} = Map.pop!(state.tasks, task)
    {:noreply, %{state | tasks: tasks} |> done(job, result) |> schedule_review() |> answer_waiters()}
  end

  def handle_info({:nodeup, _node}, state), do: {:noreply, answer_waiters(state)}

  def handle_info({:await_over, waiter}, state) do
    over = fn from, _peers -> if from == waiter, do: :timeout end
    {:noreply, %{state | waiters: Waiters.answer(state.waiters, over)}}
  end

  def handle_info({:DOWN, task, :process, _pid, reason}, state) when is_map_key(state.tasks, task) do
    {job, tasks} = Map.pop!(state.tasks, task)
    {:noreply, %{state | tasks: tasks} |> done(job, {:error, reason}) |> schedule_review() |> answer_waiters()}
  end

  def handle_info(_other, state), do: {:noreply, state}

  defp heard({:snapshot, snapshot}, state) do
    known = state.membership
    state = state |> notify(snapshot) |> observe(snapshot)
    {came, gone} = changes = Membership.changes(known, state.membership)
    state = state |> end_incident({:answer, came, gone}) |> hold() |> review() |> answer_waiters()
    Telemetry.snapshot(state.options, snapshot, changes)
    :ok = Native.acknowledge(state.worker, state.ref)
    state
  end

  defp heard({:unchanged, freshness}, state) do
    settled? = Membership.settled?(state.membership) and not Incident.lasts?(state.incident)
    state = %{state | membership: Membership.confirm(state.membership, freshness, now())}
    # Nearly every poll ends here: nothing in it grows with the number of members.
    if settled?, do: state, else: state |> hold() |> end_incident({:answer, 0, 0}) |> review()
  end

  defp heard(:watching, state) do
    Telemetry.watching(state.options)
    end_incident(%{state | activity: Activity.watching(state.activity, DateTime.utc_now())}, :watching)
  end

  defp heard({:error, error}, state) do
    {incident, log} = Incident.failed(state.incident, error, now())
    log(state, log)
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

  # A poll may be answered from a server's cache, but not when it decides about a disconnect.
  defp ask(state), do: Native.refresh(state.worker, Membership.deciding?(state.membership))

  defp tick(state), do: state |> confirm() |> review() |> schedule_tick()

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

  defp end_incident(state, ending) do
    Telemetry.recovery(state.options, state.incident, ending, now())
    {incident, log} = Incident.ended(state.incident, ending, now())
    log(state, log)
    %{state | incident: incident}
  end

  defp answer_waiters(%{waiters: []} = state), do: state

  defp answer_waiters(state) do
    connected = connected(state)
    peers = for {name, standing} <- Membership.standings(state.membership), standing != :absent, do: name
    count = Enum.count(peers, &(&1 in connected))

    answer = fn
      _from, nil -> if answered?(state, connected), do: :answered
      _from, wanted -> if count >= wanted, do: :peers
    end

    %{state | waiters: Waiters.answer(state.waiters, answer)}
  end

  # Whether there is an answer, and everybody who is wanted is connected or was tried.
  defp answered?(state, connected) do
    missing = state.membership |> Membership.wanted() |> MapSet.difference(connected)
    state.membership.observed_at != nil and Enum.all?(missing, &Dialing.tried?(state.dialing, &1))
  end

  # Whoever is to be disconnected must be absent from an answer of now. The next poll would tell as well, as it is one that
  # decides; a watch only speaks of changes.
  defp confirm(state) do
    # A worker that is outdated is replaced by the next tick, and its successor begins with a list.
    if Membership.unconfirmed?(state.membership, now()), do: _ = Native.relist(state.worker)
    state
  end

  defp observe(state, snapshot) do
    membership = Membership.observe(state.membership, Atom.to_string(node()), snapshot, now())
    activity = Activity.heard(state.activity, DateTime.utc_now())
    %{state | membership: membership, activity: activity, resource_version: snapshot.resource_version}
  end

  # Tells the other topologies of this VM.
  defp hold(%{topology: topology, membership: membership} = state) do
    Topologies.hold(%Topologies{
      topology: topology.topology,
      names: Membership.held(membership),
      gone?: Membership.gone?(membership)
    })

    state
  end

  defp notify(state, snapshot) do
    known_members? = not Enum.empty?(Membership.held(state.membership))
    {texts, said} = Notices.new_ones(state.said, snapshot, known_members?)
    Enum.each(texts, &log(state, {:warn, &1}))
    %{state | said: said}
  end

  # What the known members mean for the connections of this moment. Nearly every tick finds all as the last one left it.
  defp review(state) do
    state = %{state | connections: connections(state)}
    if state.settled == sight(state), do: state, else: act(state, state.connections.names)
  end

  defp act(state, connected) do
    state = state |> dial(connected) |> let_go(connected) |> schedule_review()
    settled? = state.tasks == %{} and Membership.settled?(state.membership) and Dialing.settled?(state.dialing)
    %{state | settled: if(settled?, do: sight(state))}
  end

  defp sight(state), do: {state.connections, %{state.membership | observed_at: nil}}

  defp dial(state, connected) do
    missing = state.membership |> Membership.wanted() |> MapSet.difference(connected) |> MapSet.to_list()
    {due, dialing} = Dialing.due(state.dialing, missing, now())
    Enum.reduce(due, %{state | dialing: dialing}, &start_task(&2, {:connect, &1}))
  end

  # While the API fails, nobody is known to be gone. And one thing at a time: a leave or disconnect that runs changes
  # what the next would see.
  defp let_go(state, connected) do
    cond do
      Incident.lasts?(state.incident) -> state
      letting_go?(state) -> state
      Membership.leave?(state.membership) -> leave(state, connected)
      true -> disconnect_departed(state, connected)
    end
  end

  defp letting_go?(state), do: Enum.any?(state.tasks, fn {_task, job} -> not match?({:connect, _}, job) end)

  defp leave(state, connected) do
    others = for {pid, holding} <- Topologies.all(), pid != self(), do: holding
    members = state.membership.present |> MapSet.delete(state.membership.self) |> MapSet.intersection(connected)

    if Topologies.stay?(others) or Enum.empty?(members) do
      state
    else
      start_task(state, {:leave, MapSet.to_list(members)})
    end
  end

  defp disconnect_departed(state, connected) do
    departed = MapSet.new(Membership.departed(state.membership))
    held = if Enum.empty?(departed), do: departed, else: Topologies.held_by_others()
    names = departed |> MapSet.intersection(connected) |> MapSet.difference(held)
    # A connect that still runs may yet succeed.
    forgotten = departed |> MapSet.difference(names) |> MapSet.difference(state.dialing.in_flight) |> MapSet.to_list()
    state = forget(state, forgotten)
    if Enum.empty?(names), do: state, else: start_task(state, {:disconnect, MapSet.to_list(names)})
  end

  defp forget(state, []), do: state
  defp forget(state, names), do: hold(%{state | membership: Membership.forget(state.membership, names)})

  defp start_task(state, job) do
    task = Job.start(job, state.topology, state.options)
    %{state | tasks: Map.put(state.tasks, task.ref, job)}
  end

  defp done(state, {:connect, name}, :ok), do: %{state | dialing: Dialing.connected(state.dialing, name)}

  defp done(state, {:connect, name}, failure) do
    log_crash(state, "connecting to #{name}", failure)
    %{warn_if_full(state, failure) | dialing: Dialing.failed(state.dialing, name, now())}
  end

  defp done(state, {:disconnect, names}, :ok), do: forget(state, names)

  defp done(state, {:leave, _names}, :ok), do: %{state | membership: Membership.left(state.membership)}

  # Those that failed, or stay, stay absent members, and the next review tries again.
  defp done(state, {job, _names}, failure) do
    log_crash(state, "#{job}", failure)
    Logger.debug(state.topology.topology, "#{job}: #{inspect(failure)}")
    state
  end

  defp warn_if_full(%{full?: false} = state, {:error, :atom_table_half_full}) do
    log(state, {
      :warn,
      "this VM's atom table is half full, so that no new names become nodes: #{:erlang.system_info(:atom_count)} of " <>
        "#{:erlang.system_info(:atom_limit)}. Find out what makes so many atoms (names that change with every answer " <>
        "of the API do), restart this node, or raise the limit by +t"
    })

    %{state | full?: true}
  end

  defp warn_if_full(state, _failure), do: state

  defp log_crash(state, what, {:crashed, text}), do: Logger.error(state.topology.topology, "#{what} failed: #{text}")
  defp log_crash(_state, _what, _result), do: :ok

  defp connections(state), do: Connections.now(state.connections, state.topology.list_nodes)

  defp connected(state), do: connections(state).names

  defp schedule_tick(state) do
    interval = state.options.values.polling_interval
    Process.send_after(self(), :tick, round(interval * (0.9 + 0.2 * :rand.uniform())))
    state
  end

  defp schedule_review(state) do
    if state.review_timer, do: Process.cancel_timer(state.review_timer)
    now = now()
    times = [Membership.next_deadline(state.membership, now), Dialing.next_retry(state.dialing, now)]
    %{state | review_timer: times |> Enum.reject(&is_nil/1) |> Enum.min(fn -> nil end) |> review_at(now)}
  end

  defp review_at(nil, _now), do: nil
  defp review_at(time, now), do: Process.send_after(self(), :review, time - now)

  defp warn_if_not_distributed(%{topology: %{connect: @default_connect}} = state) when node() == :nonode@nohost do
    log(state, {
      :warn,
      "this node is not distributed, so it cannot connect to others: start it with a long name, " <>
        "in a release by RELEASE_DISTRIBUTION=name and RELEASE_NODE"
    })
  end

  defp warn_if_not_distributed(_state), do: :ok

  defp log(_state, nil), do: :ok
  defp log(state, {:warn, text}), do: Logger.warn(state.topology.topology, text)
  defp log(state, {:info, text}), do: Logger.info(state.topology.topology, text)

  defp now, do: System.monotonic_time(:millisecond)
end
