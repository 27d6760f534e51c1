defmodule LibclusterKubernetes.Strategy.State do
  @moduledoc false
  # What the process of a topology knows, and what others ask of that: the parts are data with functions of their own.

  alias LibclusterKubernetes.{Native, Options}

  alias LibclusterKubernetes.Strategy.{
    Activity,
    Connections,
    Dialing,
    Incident,
    Job,
    Log,
    Membership,
    Notices,
    Topologies,
    Unreached,
    Waiters
  }

  @enforce_keys [:topology, :options, :membership, :held]
  defstruct [
    # The topology as libcluster describes it: name, connect, disconnect and list_nodes.
    :topology,
    :options,
    :membership,
    # Whom it holds, for the other topologies of this VM.
    :held,
    # The NIF's thread, the reference in its messages, and the name of this node that it was started with.
    :worker,
    :ref,
    :node,
    # The list that is to decide about suspects, and why the last one decided nothing.
    :judging,
    :held_back,
    :review_timer,
    # The server's mark of the last answer.
    :resource_version,
    # What the last review saw, if it left nothing to do.
    :at_rest,
    # How many changes have come since the last snapshot; `:lost` where some are missing.
    changes: 0,
    # The failure that lasts, if one does. While it does, the membership is what it was before.
    incident: Incident.new(),
    activity: %Activity{},
    connections: Connections.new(),
    dialing: Dialing.new(5_000),
    unreached: Unreached.new(),
    notices: Notices.new(),
    # Whether it was said that there is no room for more names.
    full?: false,
    jobs: %{},
    # The kinds of those that crashed last time, which was said.
    crashing: [],
    # Who waits for the first answer, or for connected members.
    waiters: []
  ]

  # What another version of this package may know less of.
  @parts [Activity, Connections, Dialing, Incident, Membership, Notices, Options, Unreached]

  @type t :: %__MODULE__{
          topology: Cluster.Strategy.State.t(),
          options: Options.t(),
          membership: Membership.t(),
          held: :ets.table(),
          worker: Native.worker() | nil,
          ref: reference() | nil,
          node: node() | nil,
          judging: struct() | nil,
          held_back: map() | nil,
          review_timer: {reference(), at :: integer()} | nil,
          resource_version: String.t() | nil,
          changes: non_neg_integer() | :lost,
          at_rest: {Connections.t(), Membership.t()} | nil,
          incident: Incident.t(),
          activity: Activity.t(),
          connections: Connections.t(),
          dialing: Dialing.t(),
          unreached: Unreached.t(),
          notices: Notices.t(),
          full?: boolean(),
          crashing: [:connect | :ask | :disconnect | :leave | :explain],
          jobs: Job.running(),
          waiters: Waiters.t()
        }

  @doc "That of a process that starts. From now on its topology can be found, and asked to leave."
  @spec new(Cluster.Strategy.State.t(), Options.t()) :: t()
  def new(topology, options) do
    membership = Membership.new(options.values.kubernetes_disconnect_after)
    dialing = Dialing.new(options.values.polling_interval)
    held = Topologies.enter(topology.topology)
    # No answer will come, in whose place it would hold whom the process before this one held.
    if options.idle, do: :ok = Topologies.hold_only(held, [])
    %__MODULE__{topology: topology, options: options, membership: membership, held: held, dialing: dialing}
  end

  @doc "That topology can still be found: without an entry it would leave whenever it is asked to, and not judge."
  @spec stay_entered(t()) :: t()
  def stay_entered(%{topology: %{topology: name}, held: held, membership: %{gone?: gone?}} = state) do
    :ok = Topologies.stay_entered(%{topology: name, held: held, gone?: gone?})
    state
  end

  @doc "The state of another version of this package: what is new in it gets its default."
  @spec upgrade(map()) :: t()
  def upgrade(state) do
    parts = for {key, %module{} = part} <- Map.from_struct(state), module in @parts, do: {key, renew(part, module)}
    state = state |> renew(__MODULE__) |> struct(parts)
    %{state | options: Options.complete(state.options)}
  end

  defp renew(part, module), do: struct(module, Map.from_struct(part))

  @doc "The connections of this moment."
  @spec connections(t()) :: Connections.t()
  def connections(state), do: Connections.now(state.connections, state.topology.list_nodes)

  @doc "The names of the nodes that this one is connected to at this moment."
  @spec connected(t()) :: MapSet.t(String.t())
  def connected(state), do: connections(state).names

  @doc """
  Takes in who was found: other topologies of this VM do not disconnect them. This node itself is nobody to stay for. The first
  answer takes the place of what the process before this one knew.
  """
  @spec hold(t(), Native.snapshot()) :: t()
  def hold(state, found) do
    names = List.delete(found.ready ++ found.not_ready ++ found.draining, Atom.to_string(node()))
    hold = if state.membership.answered?, do: &Topologies.hold/2, else: &Topologies.hold_only/2
    :ok = hold.(state.held, names)
    state
  end

  @doc "Changes the membership, and tells the other topologies of this VM what this one no longer holds then."
  @spec change(t(), (Membership.t() -> Membership.t())) :: t()
  def change(%{membership: membership} = state, change) do
    case change.(membership) do
      ^membership ->
        state

      changed ->
        forgotten = Membership.forgotten(membership, changed)
        :ok = Topologies.release(state.held, forgotten)

        for name <- forgotten,
            Membership.parted?(membership, name),
            do: Log.gone(state.topology, String.to_existing_atom(name))

        if changed.gone? != membership.gone?, do: :ok = Topologies.gone(changed.gone?)
        %{state | membership: changed, held_back: held_back(state.held_back, changed)}
    end
  end

  # As long as one of them is absent.
  defp held_back(nil, _membership), do: nil

  defp held_back(held_back, %{absent: absent}),
    do: if(Enum.any?(held_back.members, &is_map_key(absent, &1)), do: held_back)

  @doc "Starts what is done to connections."
  @spec start(t(), Job.t()) :: t()
  def start(state, job), do: %{state | jobs: Job.start(state.jobs, job, state.topology, state.options)}
end
