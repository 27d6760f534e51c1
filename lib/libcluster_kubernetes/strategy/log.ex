defmodule LibclusterKubernetes.Strategy.Log do
  @moduledoc false
  # What the process of a topology logs, by libcluster's logger, which names the topology. What follows from an answer or
  # an error is worded by `Notices` and `Incident`.

  alias Cluster.Logger
  alias Cluster.Strategy.State, as: Topology
  alias LibclusterKubernetes.Native
  alias LibclusterKubernetes.Strategy.Judgement

  @type entry :: {:error | :warn | :info | :debug, String.t()}

  @default_connect {:net_kernel, :connect_node, []}

  @spec write(Topology.t(), entry() | nil) :: :ok
  def write(_topology, nil), do: :ok
  def write(topology, {:error, text}), do: Logger.error(topology.topology, text)
  def write(topology, {:warn, text}), do: Logger.warn(topology.topology, text)
  def write(topology, {:info, text}), do: Logger.info(topology.topology, text)
  def write(topology, {:debug, text}), do: Logger.debug(topology.topology, text)

  @doc "Warns where this node can connect to nobody."
  @spec undistributed(Topology.t()) :: :ok
  def undistributed(%{connect: @default_connect} = topology) when node() == :nonode@nohost do
    write(topology, {
      :warn,
      "this node is not distributed, so it cannot connect to others: start it with a long name, " <>
        "in a release by RELEASE_DISTRIBUTION=name and RELEASE_NODE"
    })
  end

  def undistributed(%{connect: @default_connect} = topology) do
    unless :net_kernel.longnames() == true do
      write(topology, {
        :warn,
        "this node has the short name #{node()}, so it cannot connect to others, whose names are long: start it with a " <>
          "long name, in a release by RELEASE_DISTRIBUTION=name and RELEASE_NODE"
      })
    end

    :ok
  end

  def undistributed(_topology), do: :ok

  @doc "These cannot be connected to, and why, most likely."
  @spec unreached(Topology.t(), [String.t()], reason :: String.t() | nil) :: :ok
  def unreached(topology, names, reason) do
    reason = if reason, do: "Most likely: #{reason}. ", else: ""

    write(topology, {
      :warn,
      "still not connected to: #{some(names)}. #{reason}LibclusterKubernetes.diagnose(#{inspect(topology.topology)}) " <>
        "says what to do about it"
    })
  end

  @doc "It was said that this one is out of reach, and it has connected to this node."
  @spec found(Topology.t(), String.t()) :: :ok
  def found(topology, name), do: write(topology, {:info, "connected to #{name}, from its side"})

  @spec atom_table_half_full(Topology.t()) :: :ok
  def atom_table_half_full(topology) do
    write(topology, {
      :warn,
      "this VM's atom table is half full, so that no new names become nodes: #{:erlang.system_info(:atom_count)} of " <>
        "#{:erlang.system_info(:atom_limit)}. Find out what makes so many atoms (names that change with every answer " <>
        "of the API do), restart this node, or raise the limit by +t"
    })
  end

  @doc "Changes were missed. Nothing is known to do that."
  @spec out_of_step(Topology.t(), expected :: Native.mark(), Native.mark()) :: :ok
  def out_of_step(topology, {number, members}, {came, members_there}) do
    write(topology, {
      :error,
      "change #{came}, after which there are #{members_there} members, came where change #{number} would make it " <>
        "#{members}: something was missed. The next tick lists anew, until then nobody comes or goes. This is a bug in " <>
        "libcluster_kubernetes: please report it with this line"
    })
  end

  @doc "Why nobody is let go of, though some have been absent for long enough."
  @spec held_back(Topology.t(), Judgement.reason() | {:failed, atom()}, String.t(), [String.t()]) :: :ok
  def held_back(topology, reason, text, suspects) do
    write(topology, {
      :warn,
      "no longer in the answers: #{some(suspects)}. But #{implausible(reason, text)}. So it decides nothing, everybody stays " <>
        "connected, and it is asked for again later"
    })
  end

  defp some(names) do
    {names, more} = Enum.split(names, 3)
    Enum.join(names, ", ") <> if(more == [], do: "", else: " and #{length(more)} more")
  end

  defp implausible({:failed, kind}, text), do: "the list that is to confirm it failed: #{text} (#{kind})"

  defp implausible(:truncated, _text) do
    "the list is cut short: Endpoints hold 1,000 addresses. Set kubernetes_ip_lookup_mode: :endpoint_slices"
  end

  defp implausible(:empty, _text), do: "the list that is to confirm it is empty" <> look_at()

  defp implausible({:strangers, cluster}, _text) do
    "the list that is to confirm it names nobody of this cluster of #{cluster}" <> look_at()
  end

  defp implausible({:most_missing, missing, cluster}, _text) do
    "#{missing} of this cluster of #{cluster}, which is more than half, are missing from the list that is to confirm it" <>
      look_at()
  end

  defp look_at do
    ": look at the labels of the pods and kubernetes_selector, at the Service and its selector, and whether etcd was " <>
      "restored from a backup"
  end

  @doc "A member is gone, whether it left or ended."
  @spec gone(Topology.t(), node()) :: :ok
  def gone(topology, member) do
    write(topology, {:info, "#{member} is gone: it is no longer in the answers, and no longer connected"})
    disconnected(topology, member)
  end

  @doc "This node leaves these."
  @spec leaving(Topology.t(), [String.t()], LibclusterKubernetes.Options.t()) :: :ok
  def leaving(topology, names, %{idle: reason}) when reason != nil do
    write(topology, {
      :warn,
      "another node no longer finds this one in its answers and asks it to leave. #{reason}: this node leaves the cluster " <>
        "(#{length(names)} nodes)"
    })
  end

  # Its own watch may be late: those that ask may know it first.
  def leaving(topology, names, _options) do
    write(topology, {
      :warn,
      "a list of this moment confirms that this node is no longer in the answers: it leaves the cluster " <>
        "(#{length(names)} nodes) and connects to nobody until it is back"
    })
  end

  @doc "A member has left, because it was asked to."
  @spec left(Topology.t(), node(), LibclusterKubernetes.Options.t()) :: :ok
  def left(topology, node, options) do
    write(topology, {
      :warn,
      "#{inspect(node)} has left the cluster: it is no longer in the answers, for " <>
        "#{options.values.kubernetes_disconnect_after} ms and in a list of this moment, and says so itself"
    })

    disconnected(topology, node)
  end

  @doc "The event of libcluster for a node that was not disconnected by libcluster."
  @spec disconnected(Topology.t(), node()) :: :ok
  def disconnected(topology, node) do
    :telemetry.execute([:libcluster, :disconnect_node, :ok], %{duration: 0}, %{node: node, topology: topology.topology})
  end

  @doc "What a job crashed with, if that is how it ended."
  @spec crash(Topology.t(), String.t(), term()) :: :ok
  def crash(topology, what, {:crashed, text}), do: write(topology, {:error, "#{what} failed: #{text}"})
  def crash(_topology, _what, _result), do: :ok
end
