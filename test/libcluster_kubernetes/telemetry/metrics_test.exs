defmodule LibclusterKubernetes.Telemetry.MetricsTest do
  # With telemetry_metrics itself where it is on the code path (ERL_LIBS), else with our stand-in.
  use ExUnit.Case, async: true

  import LibclusterKubernetes.Test.FakeApiserver, only: [endpoints: 1]

  alias LibclusterKubernetes.Telemetry
  alias LibclusterKubernetes.Telemetry.Metrics
  alias LibclusterKubernetes.Test.{FakeApiserver, Guide, Recorder, Topology}

  test "each metric is made, with a name of its own" do
    metrics = Telemetry.metrics()
    assert length(metrics) == length(Metrics.definitions())
    names = for %{name: name} <- metrics, do: Enum.join(name, ".")
    assert names == for({_, name, _} <- Metrics.definitions(), do: name)
    assert names == Enum.uniq(names)
    for %{description: description} <- metrics, do: assert(is_binary(description))
  end

  test "a distribution has buckets, in the order that reporters want" do
    distributions = for %Elixir.Telemetry.Metrics.Distribution{} = metric <- Telemetry.metrics(), do: metric
    assert length(distributions) == 2

    for metric <- distributions do
      assert [_, _ | _] = buckets = metric.reporter_options[:buckets]
      assert buckets == Enum.sort(buckets)
      assert metric.unit == :second
    end
  end

  test "each metric is of an event that comes, with a number and all its tags", context do
    metrics = Telemetry.metrics()
    events = metrics |> Enum.map(& &1.event_name) |> Enum.uniq()
    test = self()
    topology = context.test

    handler = fn event, measurements, metadata, _ ->
      if metadata.topology == topology, do: send(test, {:event, event, measurements, metadata})
    end

    :ok = :telemetry.attach_many(topology, events, handler, nil)
    on_exit(fn -> :telemetry.detach(topology) end)

    happen(topology)
    seen = for event <- events, into: %{}, do: {event, receive_event(event)}

    for metric <- metrics do
      {measurements, metadata} = seen[metric.event_name]
      assert is_number(value(metric.measurement, measurements)), inspect(metric)
      for tag <- metric.tags, do: assert(is_map_key(metadata, tag), "#{tag} of #{inspect(metric)}")
    end
  end

  test "durations are in seconds, and a failure lasts while its last error is later than the last recovery" do
    second = System.convert_time_unit(1, :second, :native)
    by_name = for metric <- Telemetry.metrics(), into: %{}, do: {Enum.join(metric.name, "_"), metric.measurement}

    for name <- ~w(libcluster_kubernetes_list_duration_seconds libcluster_kubernetes_failure_duration_seconds) do
      assert value(by_name[name], %{duration: 2 * second}) == 2.0
    end

    earlier = System.system_time(:second)
    error = by_name["libcluster_kubernetes_last_error_timestamp_seconds"].(%{})
    recovery = by_name["libcluster_kubernetes_last_recovery_timestamp_seconds"].(%{})
    assert earlier <= error and error <= recovery
  end

  test "the guide's table has each metric, with its labels" do
    rows =
      for [_, name, labels] <-
            Regex.scan(~r/^\| `(libcluster[a-z_]+)` \|[^|]*\| ([^|]*) \|/m, Guide.read!("guides/monitoring.md")),
          into: %{},
          do: {name, Regex.scan(~r/`(\w+)`/, labels, capture: :all_but_first) |> List.flatten()}

    metrics =
      for {_, name, options} <- Metrics.definitions(), into: %{} do
        {String.replace(name, ".", "_"), Enum.map(options[:tags], &to_string/1)}
      end

    assert rows == metrics
  end

  # All that a topology tells: lists, a watch that opens and ends, members, a failure and its end, connections made and not,
  # and one that is given up.
  defp happen(topology) do
    server = FakeApiserver.start!()
    on_exit(fn -> FakeApiserver.stop(server) end)
    {:ok, recorder} = Recorder.start_link()
    Recorder.unreachable(recorder, [:"app@10.0.0.2"])
    FakeApiserver.put(server, "endpoints", "app", endpoints(["10.0.0.1", "10.0.0.2"]))
    FakeApiserver.faults(server, [%{at: "request", do: %{status: %{code: 500}}, times: 1}])
    state = Topology.state(server, recorder, [kubernetes_watch: :auto], topology)
    start_supervised!(Topology.child_spec(state))
    assert_receive {:connect, :"app@10.0.0.1", true}, 10_000
    assert_receive {:connect, :"app@10.0.0.2", false}
    FakeApiserver.await(server, "watches=1")
    FakeApiserver.end_watches(server)
    # libcluster's own, as the strategy calls it.
    :ok = Cluster.Strategy.disconnect_nodes(topology, state.disconnect, state.list_nodes, [:"app@10.0.0.1"])
  end

  defp receive_event(event) do
    assert_receive {:event, ^event, measurements, metadata}, 10_000, "no #{inspect(event)} came"
    {measurements, metadata}
  end

  defp value(measurement, measurements) when is_function(measurement, 1), do: measurement.(measurements)
  defp value(measurement, measurements), do: measurements[measurement]
end
