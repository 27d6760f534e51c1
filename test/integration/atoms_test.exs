defmodule LibclusterKubernetes.AtomsTest do
  # Counts the atoms of the whole VM. No answer may make one of a name that is not to be connected to.
  use ExUnit.Case, async: false

  import ExUnit.CaptureLog

  alias LibclusterKubernetes.Options
  alias LibclusterKubernetes.Test.{FakeApiserver, JSON, Recorder, Topology}
  alias LibclusterKubernetes.Test.Soak.Resources

  @moduletag timeout: 120_000

  @ways [:polled, :watched]
  @sources [:endpoints, :endpoint_slices, :pods]
  @kinds [:forbidden, :unauthorized, :not_found, :rate_limited, :server, :connect, :dns, :tls, :timeout] ++
           [:malformed, :too_large, :credentials]

  setup_all do
    Resources.load_all()
  end

  setup context, do: FakeApiserver.serve(context)

  # With the few that are names, 20,000: one more would be too many.
  for {source, mode} <- [endpoints: :dns, endpoint_slices: :hostname, pods: :ip], how <- @ways do
    test "20,000 names that are none make no atom: #{source}, #{mode}, #{how}", %{server: server} do
      log = assert_no_atoms(server, unquote(source), unquote(mode), unquote(how), &hostile(unquote(mode), &1), 19_990)
      # By a watch they come piece by piece, and the first is what is told.
      count = if unquote(how) == :polled, do: "19990 ", else: ""
      assert log =~ "#{count}of the addresses found cannot be named"
    end
  end

  for source <- @sources, how <- @ways do
    test "10,000 names that are only known make no atom: #{source}, #{how}", %{server: server} do
      assert_no_atoms(server, unquote(source), :ip, unquote(how), &known(unquote(source), &1), 10_000)
      # One in each run: what the watch told was understood.
      if unquote(how) == :watched, do: assert(FakeApiserver.summary(server)["lists"] == 2)
    end
  end

  # By a watch, pods come one by one: the first 20,000 are members.
  for source <- @sources, how <- @ways, {source, how} != {:pods, :watched} do
    test "20,001 names are too many, and make no atom: #{source}, #{how}", %{server: server} do
      [others, objects] =
        for numbers <- [30_001..50_001, 1..20_001] do
          candidates = for number <- numbers, do: {ip(number), "app-#{number}", "default", :ready}
          objects(unquote(source), candidates, 20_001)
        end

      # What is told of such an error is loaded by the first.
      run(server, unquote(source), :ip, unquote(how), others)
      before = atoms()
      assert run(server, unquote(source), :ip, unquote(how), objects) =~ "more than 20000 nodes"
      assert atoms() == before
    end
  end

  test "the kind of an error is one of a dozen atoms, whatever the server says", %{server: server} do
    ask = fn code ->
      body = %{kind: "Status", code: code, reason: "Reason#{code}", status: "Status#{code}", message: "message_#{code}"}
      FakeApiserver.faults(server, [%{at: "request", do: %{status: %{code: code, body: body}}}])
      assert {:error, %{kind: kind, status: ^code}} = Topology.list(native(server, :endpoints, []))
      assert kind in @kinds
    end

    Enum.each([400, 401, 403, 404, 429, 500], ask)
    before = atoms()
    Enum.each([202, 300, 302, 402] ++ Enum.to_list(405..431) ++ Enum.to_list(501..530) ++ [599], ask)
    assert atoms() == before
  end

  # Once with a few of these candidates, so that all is loaded, and then with all of them.
  defp assert_no_atoms(server, source, mode, how, candidate, count) do
    run(server, source, mode, how, objects(source, Enum.map(1..10, candidate)))
    objects = objects(source, Enum.map(1..count, candidate))
    before = atoms()
    log = run(server, source, mode, how, objects)
    assert atoms() == before
    log
  end

  # Shows the objects to a topology, and waits until it has acted on them: then it is connected to one that came after
  # them, and to none of theirs. Answers what it logged.
  defp run(server, source, mode, how, objects) do
    capture_log(fn -> shown(server, source, mode, how, objects) end)
  end

  defp shown(server, source, mode, how, objects) do
    [first, second] = for number <- 1..2, do: canary(source, number)
    {:ok, recorder} = Recorder.start_link()

    config = [
      mode: mode,
      kubernetes_ip_lookup_mode: source,
      kubernetes_service_name: "headless",
      kubernetes_include_not_ready: false,
      kubernetes_watch: if(how == :watched, do: :auto, else: false),
      # Names of their own, so that no test finds the atoms that another one made.
      kubernetes_node_basename: "#{source}_#{mode}_#{how}"
    ]

    FakeApiserver.control!(server, :delete, "/objects")
    stored = put(server, source, "first", first)
    start_supervised!(Topology.child_spec(Topology.state(server, recorder, config)))
    assert_receive {:connect, one, true}
    # As old as the first one, so that the history goes on.
    %{"metadata" => %{"resourceVersion" => version}} = stored
    show(how, server, source, for(object <- first ++ objects, do: String.replace(object, "@version", version)), version)
    put(server, source, "second", second)
    if how == :polled, do: Topology.await_lists(server, 2)
    FakeApiserver.no_faults(server)
    assert_receive {:connect, other, true}, 60_000
    assert Enum.sort(Recorder.list_nodes(recorder)) == Enum.sort([one, other])
    stop_supervised!(:k8s)
    refute_received {:connect, _, _}
    refute_received {:disconnect, _}
  end

  defp show(:polled, server, source, objects, version) do
    list =
      ~s({"kind":"#{kind(source)}List","metadata":{"resourceVersion":"#{version}"},"items":[#{Enum.join(objects, ",")}]})

    FakeApiserver.faults(server, [%{at: "request", verb: "list", do: %{raw_body: list}}])
  end

  defp show(:watched, server, _source, objects, _version) do
    FakeApiserver.await(server, "watches_open=1")
    FakeApiserver.send_to_watches(server, for(object <- objects, do: [~s({"type":"ADDED","object":), object, "}\n"]))
  end

  defp put(server, source, name, [object]) do
    FakeApiserver.put(server, resource(source), name, JSON.decode!(object))
  end

  ## Candidates: address, hostname, namespace, standing

  defp known(source, number) do
    standing = if source == :endpoints or rem(number, 2) == 0, do: :not_ready, else: :draining
    {ip(number), "app-#{number}", "default", standing}
  end

  # The part that makes the name is what no name may hold.
  defp hostile(:ip, number), do: {bad(number), "app-#{number}", "default", :ready}
  defp hostile(:dns, number), do: {ip(number), "app-#{number}", bad(number), :ready}
  defp hostile(:hostname, number), do: {ip(number), bad(number), "default", :ready}

  defp bad(number) do
    Enum.at(
      [
        "evil@#{number}",
        "10.0.0.1 #{number}",
        "#{number}.evil.test",
        "-#{number}",
        "UPPER#{number}",
        "../../#{number}",
        "new\nline#{number}",
        "ünï#{number}",
        "\u202e#{number}",
        "#{String.duplicate("x", 300)}#{number}",
        "'#{number}'",
        "%00#{number}"
      ],
      rem(number, 12)
    )
  end

  defp ip(number), do: "10.7.#{div(number, 250)}.#{rem(number, 250)}"

  ## Objects, as text

  defp canary(source, number) do
    objects(source, [{"10.8.0.#{number}", "canary-#{number}", "default", :ready}], 1, "canary-#{number}")
  end

  defp objects(source, candidates, per_object \\ 1_000, name \\ "object")

  defp objects(:pods, candidates, _per_object, name) do
    for {{ip, hostname, namespace, standing}, number} <- Enum.with_index(candidates) do
      deleted = if standing == :draining, do: %{deletionTimestamp: "2026-01-01T00:00:00Z"}, else: %{}
      ready = %{type: "Ready", status: if(standing == :not_ready, do: "False", else: "True")}
      status = %{phase: "Running", podIP: ip, conditions: [ready]}

      JSON.encode(%{
        metadata: Map.merge(metadata(name, number, namespace), deleted),
        spec: %{hostname: hostname},
        status: status
      })
    end
  end

  defp objects(source, candidates, per_object, name) do
    for {some, number} <- candidates |> Enum.chunk_every(per_object) |> Enum.with_index() do
      source |> body(some) |> Map.put(:metadata, metadata(name, number, "default")) |> JSON.encode()
    end
  end

  defp metadata(name, number, namespace) do
    %{name: "#{name}-#{number}", namespace: namespace, resourceVersion: "@version", labels: %{app: "app"}}
  end

  defp body(:endpoints, candidates) do
    addresses = fn wanted ->
      for {ip, hostname, namespace, ^wanted} <- candidates do
        %{ip: ip, hostname: hostname, targetRef: %{namespace: namespace}}
      end
    end

    %{subsets: [%{addresses: addresses.(:ready), notReadyAddresses: addresses.(:not_ready)}]}
  end

  defp body(:endpoint_slices, candidates) do
    endpoints =
      for {ip, hostname, namespace, standing} <- candidates do
        conditions = %{ready: standing == :ready, terminating: standing == :draining}
        %{addresses: [ip], hostname: hostname, conditions: conditions, targetRef: %{namespace: namespace}}
      end

    %{addressType: "IPv4", endpoints: endpoints}
  end

  defp native(server, source, config) do
    {:ok, recorder} = Recorder.start_link()
    state = Topology.state(server, recorder, [kubernetes_ip_lookup_mode: source] ++ config)
    state.topology |> Options.new!(state.config, %{}) |> Options.to_native()
  end

  defp kind(:endpoints), do: "Endpoints"
  defp kind(:endpoint_slices), do: "EndpointSlice"
  defp kind(:pods), do: "Pod"

  defp resource(:endpoint_slices), do: "endpointslices"
  defp resource(source), do: Atom.to_string(source)

  defp atoms, do: :erlang.system_info(:atom_count)
end
