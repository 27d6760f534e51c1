defmodule LibclusterKubernetes.InfoTest do
  use ExUnit.Case, async: true

  import LibclusterKubernetes.Test.FakeApiserver, only: [endpoints: 1, endpoints: 2]
  import LibclusterKubernetes.Test.Topology, only: [start: 2, wait_until: 1]

  alias LibclusterKubernetes.{Info, Options}
  alias LibclusterKubernetes.Strategy.State
  alias LibclusterKubernetes.Test.{FakeApiserver, JSON, Recorder, Topology}

  doctest LibclusterKubernetes, only: [info: 1]

  setup context, do: Topology.alone(context)

  defp info(context) do
    {:ok, info} = LibclusterKubernetes.info(context.topology)
    info
  end

  test "a topology that polls", context do
    FakeApiserver.put(context.server, "endpoints", "app", endpoints(["10.0.0.1", "10.0.0.2"], not_ready: ["10.0.0.3"]))
    Recorder.unreachable(context.recorder, [:"app@10.0.0.2"])
    start(context, kubernetes_namespace: "default")
    wait_until(fn -> match?(%{mode: :poll, members: [%{connected?: true} | _]}, info(context)) end)

    topology = context.topology
    assert %Info{topology: ^topology, source: :endpoints, namespace: "default", last_error: nil} = info = info(context)
    assert info.version == to_string(Application.spec(:libcluster_kubernetes, :vsn))
    assert info.resource_version =~ ~r/^[0-9]+$/
    assert info.requests > 0
    assert DateTime.compare(info.since, info.last_success) in [:lt, :eq]

    assert info.members == [
             %{name: "app@10.0.0.1", standing: :ready, connected?: true},
             %{name: "app@10.0.0.2", standing: :ready, connected?: false},
             %{name: "app@10.0.0.3", standing: :not_ready, connected?: false}
           ]

    assert info in LibclusterKubernetes.info() or
             context.topology in Enum.map(LibclusterKubernetes.info(), & &1.topology)
  end

  test "a topology that watches, and what its members become", context do
    FakeApiserver.put(context.server, "endpoints", "app", endpoints(["10.0.0.1"]))
    start(context, kubernetes_watch: :auto, kubernetes_disconnect_after: 60_000)
    wait_until(fn -> match?(%{mode: :watch, members: [%{connected?: true}]}, info(context)) end)
    assert info(context).requests == 2

    FakeApiserver.put(context.server, "endpoints", "app", endpoints([]))
    wait_until(fn -> match?([%{standing: :absent, connected?: true}], info(context).members) end)
  end

  test "an error stays the last one after its end", context do
    FakeApiserver.faults(context.server, [%{at: "request", do: %{status: %{code: 403}}}])
    start(context, [])
    wait_until(fn -> info(context).last_error != nil end)
    assert %{mode: :starting, since: nil, resource_version: nil, members: []} = info(context)
    FakeApiserver.no_faults(context.server)
    wait_until(fn -> match?(%{mode: :poll, failing: nil}, info(context)) end)
    assert %{kind: :forbidden, status: 403, message: message, at: %DateTime{}} = info(context).last_error
    assert message =~ "cannot list endpoints"
  end

  test "while the API fails, the mode and the members are what they were, and since when and why is there", context do
    FakeApiserver.put(context.server, "endpoints", "app", endpoints(["10.0.0.1"]))
    start(context, kubernetes_watch: :auto)
    wait_until(fn -> match?(%{mode: :watch, failing: nil, members: [_]}, info(context)) end)

    FakeApiserver.faults(context.server, [%{at: "request", do: %{status: %{code: 503}}}])
    FakeApiserver.cut_connections(context.server)
    wait_until(fn -> match?(%{failing: %{errors: errors}} when errors > 1, info(context)) end)
    assert %{mode: :watch, members: [%{name: "app@10.0.0.1", connected?: true}], failing: failing} = info(context)
    assert %{kind: :server, status: 503, message: _, advice: _, since: %DateTime{} = since} = failing
    assert DateTime.compare(since, info(context).last_error.at) == :lt

    FakeApiserver.no_faults(context.server)
    wait_until(fn -> info(context).failing == nil end)
  end

  test "it is fit for JSON, whatever is in it", context do
    FakeApiserver.put(context.server, "endpoints", "app", endpoints(["10.0.0.1"]))
    start(context, kubernetes_disconnect_after: 20)
    wait_until(fn -> match?([%{connected?: true}], info(context).members) end)
    FakeApiserver.put(context.server, "endpoints", "app", endpoints([]))
    wait_until(fn -> info(context).held_back != nil end)

    info = info(context)
    map = LibclusterKubernetes.to_map(info)
    assert map == map |> JSON.encode() |> JSON.decode!()
    assert %{"mode" => "poll", "failing" => nil, "held_back" => %{"reason" => "empty", "since" => since}} = map
    assert since == DateTime.to_iso8601(info.held_back.since)
    assert [%{"name" => "app@10.0.0.1", "standing" => "absent", "connected?" => true}] = map["members"]

    odd = %{
      info
      | held_back: %{info.held_back | reason: {:strangers, 5}},
        source: Elixir.String,
        last_error: %{at: <<255>>}
    }

    map = LibclusterKubernetes.to_map(odd)
    assert map == map |> JSON.encode() |> JSON.decode!()

    assert %{"held_back" => %{"reason" => ["strangers", 5]}, "source" => "String", "last_error" => %{"at" => "<<255>>"}} =
             map
  end

  test "the namespace is the service account's, where the options name none", context do
    File.write!(Path.join(context.server.service_account, "namespace"), "team-a\n")
    start(context, kubernetes_namespace: nil)
    assert info(context).namespace == "team-a"

    File.write!(Path.join(context.server.service_account, "namespace"), "No namespace")
    assert info(context).namespace == nil
    File.rm!(Path.join(context.server.service_account, "namespace"))
    assert info(context).namespace == nil
  end

  test "a topology that asks for nothing, as a required option is nil" do
    topology = struct!(Cluster.Strategy.State, topology: :k8s)
    config = [kubernetes_node_basename: "app", kubernetes_selector: nil]
    state = State.new(topology, Options.new!(:k8s, config, %{}))
    assert %Info{mode: :idle, members: [], requests: 0, since: nil} = Info.new(state, MapSet.new())
  end

  test "a topology that does not run is not found", context do
    assert LibclusterKubernetes.info(context.topology) == {:error, :not_found}
  end
end
