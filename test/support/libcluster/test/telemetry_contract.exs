defmodule :telemetry_contract do
  use ExUnit.Case, async: false

  import ExUnit.CaptureLog

  alias Cluster.Probe

  def fail(_event, _measurements, _metadata, :raise), do: raise("broken handler")
  def fail(_event, _measurements, _metadata, :throw), do: throw(:broken)

  defp attach(id, events) do
    on_exit(fn -> :telemetry.detach(id) end)
    :telemetry.attach_many(id, events, &Probe.forward/4, self())
  end

  test "a handler gets the event, measurements, metadata and its configuration" do
    assert :ok = attach(:one, [[:x, :y]])
    assert :ok = :telemetry.execute([:x, :y], %{m: 1}, %{n: 2})
    assert :ok = :telemetry.execute([:x], %{}, %{})
    assert :ok = :telemetry.execute([:x, :y], %{m: 3})

    assert_received {:event, [:x, :y], %{m: 1}, %{n: 2}}
    assert_received {:event, [:x, :y], %{m: 3}, metadata}
    assert metadata == %{}
    refute_received {:event, _, _, _}
  end

  test "an id is taken once, and free again after detach/1" do
    assert :ok = attach(:taken, [[:x]])
    assert {:error, :already_exists} = attach(:taken, [[:y]])
    assert :ok = :telemetry.detach(:taken)
    assert {:error, :not_found} = :telemetry.detach(:taken)
    assert :ok = :telemetry.attach(:taken, [:y], &Probe.forward/4, self())
  end

  test "two handlers of one event are both called" do
    assert :ok = attach(:first, [[:x]])
    assert :ok = attach(:second, [[:x]])
    :telemetry.execute([:x], %{}, %{})

    assert_received {:event, [:x], _, _}
    assert_received {:event, [:x], _, _}
  end

  test "list_handlers/1 answers the handlers under a prefix" do
    attach(:listed, [[:x, :y], [:x, :z], [:q]])

    assert [[:x, :y], [:x, :z]] =
             [:x] |> :telemetry.list_handlers() |> Enum.map(& &1.event_name) |> Enum.sort()

    assert [handler] = :telemetry.list_handlers([:q])
    assert handler == %{id: :listed, event_name: [:q], function: &Probe.forward/4, config: self()}
  end

  for kind <- [:raise, :throw] do
    test "a handler that fails with #{kind} is detached from all its events and logged" do
      Probe.watch_events([[:telemetry, :handler, :failure]])
      attach(:sound, [[:x]])
      kind = unquote(kind)
      :ok = :telemetry.attach_many(:broken, [[:x], [:y]], &__MODULE__.fail/4, kind)

      log = capture_log(fn -> assert :ok = :telemetry.execute([:x], %{}, %{}) end)

      assert log =~ "[error]"
      assert log =~ "Handler :broken has failed and has been detached"
      assert log =~ "broken"
      assert_received {:event, [:x], _, _}
      assert_received {:event, [:telemetry, :handler, :failure], measurements, metadata}
      assert %{monotonic_time: _, system_time: _} = measurements
      assert %{event_name: [:x], handler_id: :broken, handler_config: ^kind} = metadata
      assert :telemetry.list_handlers([:y]) == []
    end
  end

  test "execute/3 outlives a missing handler table" do
    on_exit(fn -> Supervisor.restart_child(Cluster.StandIn, :telemetry) end)
    :ok = Supervisor.terminate_child(Cluster.StandIn, :telemetry)

    assert capture_log(fn -> assert :ok = :telemetry.execute([:x], %{}, %{}) end) =~ "[warning]"
  end
end
