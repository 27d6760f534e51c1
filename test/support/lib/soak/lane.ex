defmodule LibclusterKubernetes.Test.Soak.Lane do
  @moduledoc """
  One topology of the soak, with a server of its own: rounds of random steps, and a quiet moment after each.

  Everything random comes from the seed, so the steps are the same in each run with it. What is not the same is the
  timing, and thereby where in the work of the topology a step strikes.
  """

  alias LibclusterKubernetes.Test.{FakeApiserver, Recorder, Topology}
  alias LibclusterKubernetes.Test.Soak.{Changes, Faults, Model}

  # So short that most faults are longer.
  @disconnect_after 50
  # The pauses are up to 4 s, and here no stream is open for long enough to end their growth: a step that is struck once
  # more just as its fault ends pauses twice.
  @recovery 9_000
  # The issue: closed within a second.
  @stop 1_000
  # How often each step is taken.
  @steps [
    change: 60,
    answers: 12,
    site: 8,
    finish: 10,
    watches: 8,
    lose: 8,
    unreachable: 2,
    restart: 3,
    kill: 2,
    wait: 2
  ]
  @journal 60

  @enforce_keys [:name, :source, :watch, :pool, :fence, :site, :model, :recorder, :supervisor, :started]
  defstruct @enforce_keys ++ [monitor: nil, faults: %{}, refused: %{}, orphans: MapSet.new(), journal: [], stats: %{}]

  @doc "Runs until `deadline`, and tells the caller of each round. Answers `{:ok, stats}` or `{:error, what is wrong}`."
  def run({number, source, watch}, seed, deadline, caller) do
    :rand.seed(:exsss, {seed, number, 0})
    lane = start(number, source, watch)

    try do
      lane |> rounds(deadline, caller) |> stop()
    rescue
      error -> {:error, "#{lane.name}: #{Exception.format(:error, error, __STACKTRACE__)}"}
    catch
      :throw, {:wrong, what, lane} -> {:error, describe(lane, what)}
      :exit, reason -> {:error, "#{lane.name}: #{Exception.format_exit(reason)}"}
    after
      FakeApiserver.stop(lane.site.server)
    end
  end

  defp start(number, source, watch) do
    name = "soak#{number}_#{source}_#{if watch == :auto, do: "watch", else: "poll"}"
    site = Faults.site("127.0.7.#{number}")
    {:ok, recorder} = Recorder.start_link()

    config = [
      kubernetes_node_basename: name,
      kubernetes_ip_lookup_mode: source,
      kubernetes_watch: watch,
      kubernetes_disconnect_after: @disconnect_after,
      kubernetes_request_timeout: 2_000,
      polling_interval: if(watch == :auto, do: 300, else: 50)
    ]

    child = site.server |> Topology.state(recorder, config, String.to_atom(name)) |> Topology.child_spec()
    # It is killed more often than a supervisor bears; that nothing else ends it is seen here.
    limits = [strategy: :one_for_one, max_restarts: 1_000, max_seconds: 1]
    {:ok, supervisor} = Supervisor.start_link([%{child | restart: :permanent}], limits)

    lane = %__MODULE__{
      name: name,
      source: source,
      watch: watch,
      pool: for(last <- 1..24, do: "10.0.#{number}.#{last}"),
      fence: "10.1.#{number}.1",
      site: site,
      model: Model.new(source, @disconnect_after),
      recorder: recorder,
      supervisor: supervisor,
      started: now()
    }

    # All atoms of the run are made now.
    Enum.each([lane.fence | lane.pool], &node_name(lane, &1))
    monitored(lane)
  end

  defp rounds(lane, deadline, caller) do
    if now() > deadline do
      lane
    else
      lane = 1..Enum.random(1..12) |> Enum.reduce(lane, fn _, lane -> random_step(lane) end) |> quiet()
      send(caller, {:round, lane.name, lane.stats})
      rounds(lane, deadline, caller)
    end
  end

  defp random_step(lane) do
    step = @steps |> Enum.flat_map(fn {step, weight} -> List.duplicate(step, weight) end) |> Enum.random()

    lane
    |> step(step)
    |> listen(
      Enum.random(if step in [:answers, :site], do: [0, 50, 200, 400, 800], else: [0, 0, 0, 5, 20, 50, 100, 300])
    )
  end

  ## Steps

  defp step(lane, :change) do
    {kind, writes} = Changes.random(lane.model, lane.pool)
    Enum.reduce(writes, noted(lane, "#{kind}"), fn {name, object}, lane -> write(lane, name, object) end)
  end

  defp step(lane, :answers), do: begin_fault(lane, :answers, Faults.of_answers())
  defp step(lane, :site), do: begin_fault(lane, :site, Faults.of_site())
  defp step(%{faults: faults} = lane, :finish) when faults == %{}, do: lane
  defp step(lane, :finish), do: finish_fault(lane, Enum.random(Map.keys(lane.faults)))

  defp step(lane, :watches) do
    {kind, fun} = Faults.of_watches()
    lane = counted(noted(lane, "watches: #{kind}"), {:fault, "watches: #{kind}"})
    %{lane | site: fun.(lane.site)}
  end

  defp step(lane, :lose) do
    nodes = for ip <- Enum.take_random(lane.pool, Enum.random(1..6)), do: node_name(lane, ip)
    Enum.each(nodes, &Recorder.lose(lane.recorder, &1))
    lane |> noted("lost: #{inspect(nodes)}") |> counted(:lost)
  end

  defp step(lane, :unreachable) do
    nodes = for ip <- Enum.take_random(lane.pool, 6), do: node_name(lane, ip)
    Recorder.unreachable(lane.recorder, nodes)
    lane |> noted("unreachable: #{inspect(nodes)}") |> counted(:unreachable)
  end

  # An outage that is long enough for the longest pauses.
  defp step(lane, :wait), do: lane |> noted("wait") |> listen(Enum.random(500..6_000))

  defp step(lane, :kill) do
    {id, pid, _, _} = child(lane)
    Process.demonitor(lane.monitor, [:flush])
    monitor = Process.monitor(pid)
    lane = lane |> noted("kill") |> counted(:killed)
    Process.exit(pid, :kill)
    receive do: ({:DOWN, ^monitor, _, _, _} -> :ok)
    lane = orphaned(lane)
    Topology.wait_until(fn -> match?({^id, new, _, _} when is_pid(new) and new != pid, child(lane)) end)
    monitored(lane)
  end

  defp step(lane, :restart) do
    Enum.reduce(1..Enum.random(1..8), lane, fn _, lane ->
      lane = lane |> noted("restart") |> counted(:restarted)
      id = shut_down(lane)
      lane = orphaned(lane)
      {:ok, _pid} = Supervisor.restart_child(lane.supervisor, id)
      lane |> monitored() |> listen(Enum.random([0, 0, 1, 10, 50]))
    end)
  end

  # What it did until then is judged by what was true then: one change can be many writes, and take seconds on a busy machine.
  defp write(lane, name, object) do
    lane = listen(lane, 0)
    model = Model.put(lane.model, name, object, now())
    known? = is_map_key(lane.model.objects, name)
    lane = lane |> noted("write #{name}: #{brief(object)}") |> counted(:writes)
    resource = if lane.source == :endpoint_slices, do: "endpointslices", else: "#{lane.source}"
    if object, do: FakeApiserver.put(lane.site.server, resource, name, Model.body(model, object))
    if object == nil and known?, do: FakeApiserver.delete(lane.site.server, resource, name)
    %{lane | model: model}
  end

  # It is in force when the server has answered, and over before it is asked to end.
  defp begin_fault(%{faults: faults} = lane, layer, _fault) when is_map_key(faults, layer), do: lane

  defp begin_fault(lane, layer, fault) do
    lane = lane |> noted("begin #{fault.kind}") |> counted({:fault, fault.kind})
    block(%{lane | site: fault.begin.(lane.site), faults: Map.put(lane.faults, layer, fault)})
  end

  defp finish_fault(lane, layer) do
    {fault, faults} = Map.pop!(lane.faults, layer)
    lane = block(noted(%{lane | faults: faults}, "finish #{fault.kind}"))
    %{lane | site: fault.finish.(lane.site)}
  end

  defp block(lane) do
    blocked? = Enum.any?(lane.faults, fn {_layer, fault} -> fault.blocks_lists? end)
    %{lane | model: Model.blocked(lane.model, blocked?, now())}
  end

  # A topology that starts anew disconnects nobody that it has not seen itself.
  defp orphaned(lane), do: %{lane | orphans: MapSet.union(lane.orphans, connected(lane))}

  defp shut_down(lane) do
    Process.demonitor(lane.monitor, [:flush])
    {id, _, _, _} = child(lane)
    asked = now()
    :ok = Supervisor.terminate_child(lane.supervisor, id)
    path = "/journal/summary?connections_open=0&timeout_ms=#{max(0, @stop - (now() - asked))}"

    try do
      FakeApiserver.control!(lane.site.server, :get, path)
    rescue
      error -> wrong(lane, "not stopped within a second: #{Exception.message(error)}")
    end

    id
  end

  ## Quiet moments

  # The fence is a member that comes, and goes: once the topology has seen that, it has seen what was before.
  defp quiet(lane) do
    Recorder.unreachable(lane.recorder, [])
    lane = Enum.reduce(Enum.shuffle(Map.keys(lane.faults)), lane, &finish_fault(&2, &1))
    ended = now()
    {name, object} = Changes.member(lane.fence)
    lane = lane |> noted("quiet") |> write(name, object) |> settled(ended)
    lane = lane |> slowest(:recovery, now() - ended) |> counted_watch()

    lane = settled(write(absent_lost(lane), name, nil), now())
    lane = absent_lost(lane)

    %{lane | model: Model.quiet(lane.model), refused: %{}} |> counted(:checks) |> probed()
  end

  # Whoever stays connected though it is gone is over with this moment.
  defp absent_lost(lane) do
    {_, pid, _, _} = child(lane)
    absent = MapSet.difference(connected(lane), Model.present(lane.model))
    names = MapSet.new(absent, &"#{lane.name}@#{&1}")
    # It would make the links again of those whom it has not missed yet.
    Topology.wait_until(fn ->
      not Enum.any?(names, fn name -> is_map_key(:sys.get_state(pid).membership.present, name) end)
    end)

    for ip <- absent, do: Recorder.lose(lane.recorder, node_name(lane, ip))
    %{lane | orphans: MapSet.new()}
  end

  defp settled(lane, since) do
    connected = connected(lane)
    missing = MapSet.difference(Model.ready(lane.model), connected)
    mine = MapSet.difference(connected, MapSet.difference(lane.orphans, Model.present(lane.model)))
    surplus = if Model.plausible?(lane.model, mine), do: surplus(lane, mine), else: MapSet.new()

    cond do
      Enum.empty?(missing) and Enum.empty?(surplus) -> listen(lane, 0)
      now() - since <= @recovery -> lane |> listen(10) |> settled(since)
      true -> wrong(lane, "after #{@recovery} ms of quiet, missing: #{inspect(missing)}, too many: #{inspect(surplus)}")
    end
  end

  # Whoever was judged and stayed, when most were missing, is judged again ever more rarely.
  defp surplus(lane, connected) do
    {_, pid, _, _} = child(lane)
    absent = :sys.get_state(pid).membership.absent
    stays? = fn ip -> match?(%{judged: judged} when judged > 0, absent["#{lane.name}@#{ip}"]) end
    for ip <- MapSet.difference(connected, Model.present(lane.model)), not stays?.(ip), into: MapSet.new(), do: ip
  end

  defp probed(lane) do
    {_, pid, _, _} = child(lane)
    asked = now()
    :sys.get_status(pid)
    slowest(lane, :answer, now() - asked)
  end

  defp stop(lane) do
    shut_down(lane)
    listen(lane, 0)
    {:ok, lane.stats}
  end

  ## What the topology does

  # Judges all that it did, and waits so long for more.
  defp listen(lane, milliseconds), do: listen_until(lane, now() + milliseconds)

  defp listen_until(lane, until) do
    receive do
      {:connect, node, reachable?} ->
        ip = ip(node)
        lane = noted(lane, "    connect #{node}: #{reachable?}")
        unless Model.may_connect?(lane.model, ip), do: wrong(lane, "connects to #{node}, which was not ready")
        lane = if reachable?, do: %{lane | model: Model.connected(lane.model, ip)}, else: refused(lane, ip)
        lane |> counted(:connects) |> listen_until(until)

      {:disconnect, node} ->
        lane = noted(lane, "    disconnect #{node}")

        unless Model.may_disconnect?(lane.model, ip(node), now()),
          do: wrong(lane, "disconnects #{node}, which was not gone")

        lane |> counted(:disconnects) |> listen_until(until)

      {:DOWN, monitor, :process, _pid, reason} when monitor == lane.monitor ->
        wrong(lane, "the strategy died: #{inspect(reason)}")
    after
      max(0, until - now()) -> lane
    end
  end

  # After a second attempt the next is two seconds away, later ones are too far for a quiet moment.
  defp refused(lane, ip) do
    refused = Map.update(lane.refused, ip, 1, &(&1 + 1))
    if refused[ip] >= 2, do: Recorder.unreachable(lane.recorder, [])
    %{lane | refused: refused}
  end

  defp connected(lane), do: for(node <- Recorder.list_nodes(lane.recorder), into: MapSet.new(), do: ip(node))
  defp ip(node), do: node |> Atom.to_string() |> String.split("@") |> List.last()
  defp node_name(lane, ip), do: :"#{lane.name}@#{ip}"

  defp child(lane), do: lane.supervisor |> Supervisor.which_children() |> hd()

  defp monitored(lane) do
    {_, pid, _, _} = child(lane)
    %{lane | monitor: Process.monitor(pid)}
  end

  ## Records

  defp counted(lane, what), do: %{lane | stats: Map.update(lane.stats, what, 1, &(&1 + 1))}

  defp slowest(lane, what, took), do: %{lane | stats: Map.update(lane.stats, {:slowest, what}, took, &max(&1, took))}

  defp counted_watch(%{watch: false} = lane), do: lane
  defp counted_watch(lane), do: counted(lane, {:watching, FakeApiserver.summary(lane.site.server)["watches_open"] == 1})

  defp noted(lane, what), do: %{lane | journal: Enum.take([{now() - lane.started, what} | lane.journal], @journal)}

  defp brief(nil), do: "none"

  defp brief(%{label: label, members: members}) do
    standings = Enum.group_by(members, &elem(&1, 1), fn {ip, _} -> ip |> String.split(".") |> List.last() end)
    "app=#{label}#{for {standing, ips} <- standings, do: ", #{standing} #{Enum.join(ips, " ")}"}"
  end

  @spec wrong(map(), String.t()) :: no_return()
  defp wrong(lane, what), do: throw({:wrong, what, lane})

  defp describe(lane, what) do
    steps = for {at, step} <- Enum.reverse(lane.journal), do: "  #{at} ms: #{step}\n"
    "#{lane.name}: #{what}\nThe last steps:\n#{steps}"
  end

  defp now, do: System.monotonic_time(:millisecond)
end
