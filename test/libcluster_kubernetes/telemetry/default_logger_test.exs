defmodule LibclusterKubernetes.Telemetry.DefaultLoggerTest do
  # The handler and the log belong to the whole VM.
  use ExUnit.Case, async: false

  import ExUnit.CaptureLog

  alias LibclusterKubernetes.Telemetry

  doctest Telemetry, import: false

  setup do: on_exit(&Telemetry.detach_default_logger/0)

  defp logged(event, measurements, metadata) do
    metadata = Map.merge(%{topology: :k8s, source: :pods}, metadata)

    capture_log([format: "$level $metadata$message\n", metadata: [:topology], colors: [enabled: false]], fn ->
      :telemetry.execute([:libcluster_kubernetes | event], measurements, metadata)
    end)
  end

  test "writes an event as its name and what it carries" do
    assert Telemetry.attach_default_logger() == :ok
    ms = System.convert_time_unit(1, :millisecond, :native)
    counts = %{ready: 2, not_ready: 1, draining: 0, dropped: 0, came: 3, gone: 0}

    assert logged([:snapshot], counts, %{resource_version: "812"}) ==
             "info topology=k8s [libcluster_kubernetes] snapshot topology=k8s source=pods resource_version=\"812\" " <>
               "came=3 draining=0 dropped=0 gone=0 not_ready=1 ready=2\n"

    assert logged([:watch, :start], %{system_time: 1}, %{}) ==
             "info topology=k8s [libcluster_kubernetes] watch.start topology=k8s source=pods\n"

    assert logged([:error], %{errors: 2}, %{kind: :timeout, status: nil, message: "cannot \"list\""}) ==
             "info topology=k8s [libcluster_kubernetes] error topology=k8s source=pods kind=timeout " <>
               "message=\"cannot \\\"list\\\"\" errors=2\n"

    assert logged([:watch, :stop], %{duration: 1500 * ms, bytes: 9, events: 1}, %{reason: :ended}) =~
             " duration=1500.0ms "
  end

  test "a list that succeeded is no news" do
    Telemetry.attach_default_logger(level: :warning)
    cost = %{duration: 1, bytes: 1, pages: 1}
    assert "debug" <> _ = logged([:list, :stop], cost, %{result: :ok})
    assert "warning" <> _ = logged([:list, :stop], cost, %{result: :forbidden})
  end

  test "logs the events that were asked for" do
    Telemetry.attach_default_logger(events: [[:libcluster_kubernetes, :recovery]])
    assert logged([:watch, :start], %{system_time: 1}, %{}) == ""
    assert logged([:recovery], %{duration: 0, errors: 1}, %{ending: :answer}) =~ "ending=answer"
  end

  test "an option that is wrong is refused" do
    for {opts, message} <- [
          {[level: :loud], ~r/level is :loud, but must be one of :debug, :info/},
          {[events: [[:a]]], ~r/events has \[:a\], but must be some of/},
          {[levels: :info], ~r/unknown keys \[:levels\]/}
        ] do
      assert_raise ArgumentError, message, fn -> Telemetry.attach_default_logger(opts) end
    end

    assert Telemetry.detach_default_logger() == {:error, :not_found}
  end
end
