defmodule LibclusterKubernetes.Telemetry.Metrics do
  @moduledoc false
  # The metrics that priv/monitoring is made for, as data: telemetry_metrics is a library of the application's, if it has it.
  # Names follow Prometheus: a reporter writes libcluster_kubernetes.lists.total as libcluster_kubernetes_lists_total.

  @type definition :: {:counter | :sum | :last_value | :distribution, name :: String.t(), keyword()}

  # Lists take milliseconds, and failures last from a moment to a night.
  @list_buckets [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15]
  @failure_buckets [1, 5, 15, 60, 300, 900, 3600, 14_400, 43_200]

  @doc "A list of `Telemetry.Metrics`."
  @spec new() :: [struct()]
  def new do
    unless Code.ensure_loaded?(Telemetry.Metrics) do
      raise "LibclusterKubernetes.Telemetry.metrics/0 needs {:telemetry_metrics, \"~> 1.0\"} among the dependencies of the application"
    end

    # By name, as there need be no such module when this is compiled.
    for {type, name, options} <- definitions(), do: apply(Telemetry.Metrics, type, [name, options])
  end

  @spec definitions() :: [definition()]
  def definitions, do: lists() ++ watches() ++ members() ++ failures() ++ connections()

  defp lists do
    event = [:libcluster_kubernetes, :list, :stop]
    seconds = [event_name: event, measurement: :duration, unit: {:native, :second}]

    [
      {:counter, "libcluster_kubernetes.lists.total",
       event_name: event,
       measurement: :duration,
       tags: [:topology, :source, :result],
       description: "Lists asked for, by their result: ok or the kind of an error"},
      {:distribution, "libcluster_kubernetes.list_duration.seconds",
       seconds ++
         [
           tags: [:topology, :source],
           reporter_options: [buckets: @list_buckets],
           description: "From the first request of a list to its last byte"
         ]},
      {:sum, "libcluster_kubernetes.list_bytes.total",
       event_name: event, measurement: :bytes, tags: [:topology, :source], description: "Bytes of lists, after TLS"}
    ]
  end

  defp watches do
    event = [:libcluster_kubernetes, :watch, :stop]

    [
      {:counter, "libcluster_kubernetes.watch_ends.total",
       event_name: event,
       measurement: :duration,
       tags: [:topology, :source, :reason],
       description: "Watches that ended, by the reason; the next one follows by itself"},
      {:sum, "libcluster_kubernetes.watch_events.total",
       event_name: event,
       measurement: :events,
       tags: [:topology, :source],
       description: "Events of watches that ended, bookmarks included"},
      {:sum, "libcluster_kubernetes.watch_bytes.total",
       event_name: event,
       measurement: :bytes,
       tags: [:topology, :source],
       description: "Bytes of watches that ended, after TLS"}
    ]
  end

  defp members do
    for {type, name, measurement, description} <- [
          {:last_value, "members.ready", :ready, "Ready members in the last answer, this node included"},
          {:last_value, "members.not_ready", :not_ready, "Members in the last answer that are not ready"},
          {:last_value, "members.draining", :draining, "Members in the last answer that are terminating"},
          {:last_value, "addresses.dropped", :dropped, "Addresses in the last answer that give no valid node name"},
          {:sum, "members.came.total", :came, "Members that came"},
          {:sum, "members.gone.total", :gone, "Members that are gone"}
        ] do
      {type, "libcluster_kubernetes.#{name}",
       event_name: [:libcluster_kubernetes, :snapshot],
       measurement: measurement,
       tags: [:topology],
       description: description}
    end
  end

  defp failures do
    error = [:libcluster_kubernetes, :error]
    recovery = [:libcluster_kubernetes, :recovery]

    [
      {:counter, "libcluster_kubernetes.errors.total",
       event_name: error,
       measurement: :errors,
       tags: [:topology, :kind],
       description: "Failed lists and watches, by kind"},
      {:last_value, "libcluster_kubernetes.last_error.timestamp_seconds",
       event_name: error, measurement: &__MODULE__.now/1, tags: [:topology], description: "When something failed last"},
      {:last_value, "libcluster_kubernetes.last_recovery.timestamp_seconds",
       event_name: recovery,
       measurement: &__MODULE__.now/1,
       tags: [:topology],
       description: "When the API answered again; a failure lasts while the last error is later"},
      {:distribution, "libcluster_kubernetes.failure_duration.seconds",
       event_name: recovery,
       measurement: :duration,
       unit: {:native, :second},
       tags: [:topology],
       reporter_options: [buckets: @failure_buckets],
       description: "How long failures lasted that are over"}
    ]
  end

  # Of libcluster.
  defp connections do
    [
      {:counter, "libcluster.connects.total",
       event_name: [:libcluster, :connect_node, :ok],
       measurement: :duration,
       tags: [:topology],
       description: "Nodes connected to"},
      # Without a measurement, which some reporters want to see.
      {:counter, "libcluster.connect_errors.total",
       event_name: [:libcluster, :connect_node, :error],
       measurement: &__MODULE__.one/1,
       tags: [:topology, :reason],
       description: "Tries to connect to a node that failed"},
      {:counter, "libcluster.disconnects.total",
       event_name: [:libcluster, :disconnect_node, :ok],
       measurement: :duration,
       tags: [:topology],
       description: "Nodes disconnected from; those that end by themselves are not among them"}
    ]
  end

  @doc false
  def now(_measurements), do: System.system_time(:millisecond) / 1_000

  @doc false
  def one(_measurements), do: 1
end
