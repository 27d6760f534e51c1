defmodule LibclusterKubernetes.Test.Mesh do
  @moduledoc """
  Real Erlang nodes under the strategy, each with an API server of its own, so that each can be shown a view of its own.
  A node is a number: 6 is `app@127.0.0.6`.

  Every `nodeup` and `nodedown` of every node is a message to the test, and has to be accounted for: each assertion takes
  the events that it names and fails at any other. So a link that was lost in between, and came back, is found.
  """

  import ExUnit.Assertions
  import ExUnit.Callbacks, only: [on_exit: 1]

  alias LibclusterKubernetes.Test.{Api, ErlangNode, FakeApiserver, Topology}

  @enforce_keys [:port, :opts]
  defstruct [:port, :opts, apis: %{}, owners: %{}]

  @type t :: %__MODULE__{}
  @type id :: 2..254
  @type member :: id() | {id(), :draining | :not_ready}

  # The links are up that soon after the cause, or after a fault is over.
  @up 5_000
  # What the nodes of a machine with a lot to do may take at their start.
  @first_up 15_000
  # Longer than it takes until the absent leave.
  @down 10_000

  @doc """
  Starts these nodes, and waits until each is connected to each.

  Options: `:source`, `:mode` (`:poll` or `:watch`), `:topologies` (names and selectors, `[k8s: "app=app"]`), `:config`
  (of each topology), `:settings` (`disconnect: ...` of each topology), `:prepare` (called with each API before its node
  starts) and `:arguments` (more of them for `erl`, by a function of the node's number).
  """
  @spec start!([id()] | Range.t(), keyword()) :: t()
  def start!(numbers, opts) do
    mesh = join(%__MODULE__{port: ErlangNode.free_port(), opts: opts}, numbers, Enum.to_list(numbers))
    assert_up(numbers, numbers, @first_up)
    mesh
  end

  @doc "Starts these nodes with this view of the API, or the one that they had."
  @spec join(t(), [id()] | Range.t(), [member()] | nil) :: t()
  def join(mesh, numbers, view \\ nil) do
    mesh = Enum.reduce(numbers, mesh, &with_api(&2, &1))
    if view, do: for(number <- numbers, do: see(mesh, number, view))
    for number <- numbers, do: FakeApiserver.clear_journal(mesh.apis[number].server)
    owners = Map.new(numbers, &{&1, launch(mesh, &1)})
    for number <- numbers, do: ErlangNode.await_started(ip(number))
    for number <- numbers, do: await_first_answer(mesh, mesh.apis[number].server)
    %{mesh | owners: Map.merge(mesh.owners, owners)}
  end

  @doc "Shows these members to every node, or to one."
  def see(mesh, view), do: each_api(mesh, &members(&1, view))
  def see(mesh, number, view), do: members(mesh.apis[number], view)

  @doc "Ends a node as a crash would."
  def kill(mesh, number) do
    {owner, owners} = Map.pop!(mesh.owners, number)
    ErlangNode.kill(owner)
    %{mesh | owners: owners}
  end

  @doc "Runs a function of `ErlangNode` on a node."
  def call(mesh, number, function), do: call(mesh, number, ErlangNode, function, [])

  @doc "Runs a function on a node."
  def call(mesh, number, module, function, args), do: ErlangNode.call(mesh.owners[number], module, function, args)

  @doc "The node of a number."
  def node(number), do: :"app@#{ip(number)}"

  @doc "Whom a node is connected to, hidden nodes included."
  def connected(mesh, number) do
    for node <- call(mesh, number, :erlang, :nodes, [:connected]) do
      "app@127.0.0." <> number = Atom.to_string(node)
      String.to_integer(number)
    end
    |> Enum.sort()
  end

  @doc "Waits until a node is connected to these, hidden nodes included."
  def await_connected(mesh, number, numbers) do
    Topology.wait_until(fn -> connected(mesh, number) == Enum.sort(numbers) end)
  end

  @doc "What the node has logged since it was last asked or awaited."
  def logged(number, lines \\ []) do
    ip = ip(number)

    receive do
      {:node_log, ^ip, line} -> logged(number, [line | lines])
    after
      0 -> Enum.reverse(lines)
    end
  end

  @doc "Does this with the API of each node."
  def each_api(mesh, fun), do: for(number <- Map.keys(mesh.owners), do: fun.(mesh.apis[number]))

  @doc "The address of a node."
  def ip(number), do: "127.0.0.#{number}"

  @doc "Each of `some` and each of `others` see each other come up, and nothing else happens until then."
  def assert_up(some, others, limit \\ @up), do: assert_events("nodeup", links(some, others), limit)

  @doc "Each of `some` and each of `others` see each other go down, and nothing else happens until then."
  def assert_down(some, others), do: assert_events("nodedown", links(some, others), @down)

  @doc "Each of `some` and each of `others` see each other go down and come back, and nothing else happens until then."
  def assert_back(some, others), do: assert_events(["nodedown", "nodeup"], links(some, others), @down + @up)

  @doc "Each of `others` sees this node go down; it is no longer there to tell what it sees."
  def assert_gone(number, others), do: assert_events("nodedown", for(other <- others, do: {other, number}), @down)

  @doc "For so long no link among these is lost, whatever happens to others."
  def assert_kept(numbers, milliseconds) do
    lost = lost_link(numbers, now() + milliseconds)
    assert lost == nil, "a link that was to be kept was lost: #{inspect(lost)}"
  end

  @doc "Whether a link among these is lost within that time."
  def lost?(numbers, milliseconds), do: lost_link(numbers, now() + milliseconds) != nil

  @doc "Each of these becomes connected to each other of them and to nobody else, whatever happened before, and that lasts."
  def assert_whole(mesh, numbers), do: await_whole(mesh, numbers, now() + @up)

  @doc "Nothing happens for so long."
  def assert_quiet(milliseconds), do: refute_receive({:node, _, _}, milliseconds)

  @doc "The node logs a line with this text."
  def assert_log(number, text, limit \\ @up), do: await_log(ip(number), text, now() + limit, [])

  ## Below

  defp launch(mesh, number) do
    more = Keyword.get(mesh.opts, :arguments, fn _number -> [] end).(number)
    distribution = ErlangNode.without_epmd(more ++ ["-name", "app@#{ip(number)}"])
    ErlangNode.launch(ip(number), mesh.port, topologies(mesh, number), [], distribution)
  end

  defp with_api(mesh, number) when is_map_key(mesh.apis, number), do: mesh

  defp with_api(mesh, number) do
    server = FakeApiserver.start!()
    on_exit(fn -> File.rm_rf!(server.dir) end)
    api = Api.new(server, mesh.opts[:source])
    Keyword.get(mesh.opts, :prepare, fn _api -> :ok end).(api)
    %{mesh | apis: Map.put(mesh.apis, number, api)}
  end

  # What follows an answer means that it was taken in: another list, or a watch.
  defp await_first_answer(mesh, server) do
    FakeApiserver.await(server, if(mesh.opts[:mode] == :watch, do: "watches=1", else: "lists=2"))
  end

  defp topologies(mesh, number) do
    api = Map.fetch!(mesh.apis, number)

    for {name, selector} <- Keyword.get(mesh.opts, :topologies, k8s: "app=app") do
      defaults = [
        kubernetes_selector: selector,
        kubernetes_ip_lookup_mode: api.source,
        kubernetes_watch: if(mesh.opts[:mode] == :watch, do: :auto, else: false),
        kubernetes_request_timeout: 1_000,
        kubernetes_disconnect_after: 1_000,
        polling_interval: 300
      ]

      config = Topology.config(api, Keyword.merge(defaults, Keyword.get(mesh.opts, :config, [])))
      {name, [strategy: LibclusterKubernetes.Strategy, config: config] ++ Keyword.get(mesh.opts, :settings, [])}
    end
  end

  defp members(api, view), do: Api.members(api, Enum.map(view, &member/1))

  defp member({number, condition}), do: {ip(number), condition}
  defp member(number), do: ip(number)

  # Each link from both ends.
  defp links(some, others) do
    for one <- some,
        other <- others,
        one != other,
        {a, b} <- [{one, other}, {other, one}],
        into: MapSet.new(),
        do: {a, b}
  end

  defp assert_events(events, links, limit) do
    awaited =
      for {one, other} <- links,
          event <- List.wrap(events),
          into: MapSet.new(),
          do: {ip(one), "#{event} app@#{ip(other)}"}

    await(awaited, now() + limit)
  end

  defp await_log(ip, text, deadline, lines) do
    receive do
      {:node_log, ^ip, line} -> unless line =~ text, do: await_log(ip, text, deadline, [line | lines])
    after
      max(deadline - now(), 0) ->
        flunk("#{ip} did not log #{inspect(text)}, but:\n" <> Enum.join(Enum.reverse(lines), "\n"))
    end
  end

  defp lost_link(numbers, deadline) do
    losses = for {one, other} <- links(numbers, numbers), do: {ip(one), "nodedown app@#{ip(other)}"}

    receive do
      {:node, ip, line} -> if {ip, line} in losses, do: {ip, line}, else: lost_link(numbers, deadline)
    after
      max(deadline - now(), 0) -> nil
    end
  end

  defp await_whole(mesh, numbers, deadline) do
    connected = Map.new(numbers, &{&1, connected(mesh, &1)})

    receive do
      {:node, _, _} -> :changed
    after
      1_000 -> if connected == Map.new(numbers, &{&1, Enum.to_list(numbers) -- [&1]}), do: :whole
    end
    |> case do
      :whole ->
        :ok

      _not_yet ->
        assert now() < deadline, "not each is lastingly connected to each: #{inspect(connected)}"
        await_whole(mesh, numbers, deadline)
    end
  end

  defp await(awaited, deadline) do
    unless Enum.empty?(awaited) do
      receive do
        {:node, ip, line} ->
          assert {ip, line} in awaited, "#{ip} unexpectedly says: #{line}; awaited: #{inspect(awaited)}"
          await(MapSet.delete(awaited, {ip, line}), deadline)
      after
        max(deadline - now(), 0) -> flunk("this did not happen: #{inspect(awaited)}")
      end
    end
  end

  defp now, do: System.monotonic_time(:millisecond)
end
