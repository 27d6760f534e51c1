defmodule LibclusterKubernetes.TelemetryTest do
  use ExUnit.Case, async: true

  import LibclusterKubernetes.Test.FakeApiserver, only: [endpoints: 1, endpoints: 2]
  import LibclusterKubernetes.Test.Topology, only: [start: 1, start: 2]

  alias LibclusterKubernetes.Test.{FakeApiserver, Topology}

  # Each test has a topology of its own name, so that it hears of no other.
  setup context, do: Topology.alone(context)

  setup %{server: server, topology: topology} do
    FakeApiserver.put(server, "endpoints", "app", endpoints(["10.0.0.1", "10.0.0.2"], not_ready: ["10.0.0.3"]))

    test = self()

    handler = fn [:libcluster_kubernetes | event], measurements, metadata, _config ->
      if metadata.topology == topology, do: send(test, {:event, event, measurements, metadata})
    end

    :ok = :telemetry.attach_many(topology, LibclusterKubernetes.Telemetry.events(), handler, nil)
    on_exit(fn -> :telemetry.detach(topology) end)
  end

  test "every event of the documentation is one of these, and the other way round" do
    {:docs_v1, _, _, _, %{"en" => doc}, _, _} = Code.fetch_docs(LibclusterKubernetes.Telemetry)
    documented = ~r/^\| `\[:libcluster_kubernetes, ([a-z:, ]+)\]`/m |> Regex.scan(doc) |> Enum.map(&Enum.at(&1, 1))
    documented = for event <- documented, do: "[:libcluster_kubernetes, #{event}]"
    assert documented == Enum.map(LibclusterKubernetes.Telemetry.events(), &inspect/1)
  end

  test "a poll is a list with its cost, and a snapshot only where it says something new", context do
    start(context)
    assert_receive {:event, [:list, :stop], list, %{source: :endpoints, result: :ok}}
    assert %{pages: 1, bytes: bytes, duration: duration} = list
    assert bytes > 100 and duration > 0

    assert_receive {:event, [:snapshot], counts, %{resource_version: version, source: :endpoints}}
    assert counts == %{ready: 2, not_ready: 1, draining: 0, dropped: 0, came: 3, gone: 0}
    assert version =~ ~r/^[0-9]+$/

    for _ <- 1..3, do: assert_receive({:event, [:list, :stop], _, _})
    refute_received {:event, [:snapshot], _, _}

    FakeApiserver.put(context.server, "endpoints", "app", endpoints(["10.0.0.1", "nonsense"]))
    assert_receive {:event, [:snapshot], %{ready: 1, not_ready: 0, dropped: 1, came: 0, gone: 2}, _}
  end

  test "a watch is told when it opens and when it ends, with why and what it cost", context do
    start(context, kubernetes_watch: :auto)
    assert_receive {:event, [:watch, :start], %{system_time: time}, %{source: :endpoints}}
    assert abs(System.system_time() - time) < System.convert_time_unit(60, :second, :native)

    FakeApiserver.put(context.server, "endpoints", "app", endpoints(["10.0.0.1"]))
    assert_receive {:event, [:snapshot], %{ready: 1, gone: 2}, _}
    FakeApiserver.end_watches(context.server)
    assert_receive {:event, [:watch, :stop], %{events: 1, bytes: bytes, duration: duration}, %{reason: :ended}}
    assert bytes > 100 and duration > 0
    assert_receive {:event, [:watch, :start], _, _}
  end

  test "errors are counted in a row, and a recovery says how many there were", context do
    start(context)
    assert_receive {:event, [:snapshot], _, _}
    FakeApiserver.faults(context.server, [%{at: "request", do: %{status: %{code: 403}}, times: 2}])

    for number <- 1..2 do
      assert_receive {:event, [:error], %{errors: ^number}, %{kind: :forbidden, status: 403, message: message}}
      assert message =~ "cannot list endpoints"
      assert_receive {:event, [:list, :stop], _, %{result: :forbidden}}
    end

    assert_receive {:event, [:recovery], %{errors: 2, duration: duration}, %{ending: :answer}}, 10_000
    assert duration > 0
    # What failed and is well again is no other snapshot.
    refute_received {:event, [:snapshot], _, _}
  end
end
