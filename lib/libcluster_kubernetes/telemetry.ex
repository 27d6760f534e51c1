defmodule LibclusterKubernetes.Telemetry do
  @moduledoc """
  The [telemetry](https://hexdocs.pm/telemetry) events of this package.

  All are emitted by the process of the topology, and carry `topology` (the atom it is called in `config :libcluster`)
  and `source` (`:endpoints`, `:endpoint_slices` or `:pods`) in their metadata. Durations are in native time units: see
  `System.convert_time_unit/3`. The token is in none of them.

  Connects and disconnects are libcluster's: its own events, such as `[:libcluster, :connect_node, :ok]`, keep coming.

  | event | when |
  |---|---|
  | `[:libcluster_kubernetes, :list, :stop]` | a list is complete, or has failed |
  | `[:libcluster_kubernetes, :watch, :start]` | a watch is open |
  | `[:libcluster_kubernetes, :watch, :stop]` | a watch has ended, for whatever reason; the next one follows by itself |
  | `[:libcluster_kubernetes, :snapshot]` | the answers of the API name other members than before, or describe them differently |
  | `[:libcluster_kubernetes, :error]` | something failed; the members stay what they were |
  | `[:libcluster_kubernetes, :recovery]` | the first answer after errors |

  ## Measurements and metadata

    * `[:libcluster_kubernetes, :list, :stop]`
      * measurements: `duration`, from the first request to the last byte; `bytes` of the bodies, after TLS; `pages`,
        how many requests it took
      * metadata: `result`, `:ok` or the kind of the error
    * `[:libcluster_kubernetes, :watch, :start]`
      * measurements: `system_time`, in native time units
    * `[:libcluster_kubernetes, :watch, :stop]`
      * measurements: `duration`; `bytes` of the body; `events`, bookmarks included
      * metadata: `reason`: `:ended` (its time was over), `:useless` (at once, and it told nothing), `:broken`, `:silent`, `:expired`
        (410, or a history that goes back), or `:failed` (it sent an error, or what is no event)
    * `[:libcluster_kubernetes, :snapshot]`
      * measurements: how many members are `ready`, `not_ready` and `draining`, this node included; how many addresses were
        `dropped` because they have no valid name; how many members `came` and are `gone` since the last one
      * metadata: `resource_version`, the server's mark of this state
    * `[:libcluster_kubernetes, :error]`
      * measurements: `errors`, how many in a row, from 1
      * metadata: `kind`, such as `:forbidden` or `:timeout`; `status`, the HTTP status or `nil`; `message`
    * `[:libcluster_kubernetes, :recovery]`
      * measurements: `duration` since the first of the errors; `errors`, how many there were
      * metadata: `ending`: `:answer`, a complete one, or `:watching`, a watch that goes on from where it was
  """

  alias LibclusterKubernetes.{Native, Options}
  alias LibclusterKubernetes.Strategy.{Incident, Membership}
  alias LibclusterKubernetes.Telemetry.{DefaultLogger, Metrics}

  @typep context :: Options.t()

  @events for event <- [[:list, :stop], [:watch, :start], [:watch, :stop], [:snapshot], [:error], [:recovery]],
              do: [:libcluster_kubernetes | event]

  @doc """
  The names of all events above, for `:telemetry.attach_many/4`.

      iex> [:libcluster_kubernetes, :snapshot] in LibclusterKubernetes.Telemetry.events()
      true
  """
  @spec events() :: [:telemetry.event_name(), ...]
  def events, do: @events

  @doc """
  A list of [`Telemetry.Metrics`](https://hexdocs.pm/telemetry_metrics) for a reporter, such as one for Prometheus: those
  that the dashboard and the alerts in `priv/monitoring` are made for, three of libcluster's events among them. The guide to
  monitoring has a table of them.

      {TelemetryMetricsPrometheus.Core, metrics: LibclusterKubernetes.Telemetry.metrics() ++ MyApp.metrics()}

  Raises where the application does not depend on `telemetry_metrics`.
  """
  @spec metrics() :: [struct()]
  def metrics, do: Metrics.new()

  @doc """
  Logs each event in a line of its name and all that it carries as `key=value`, for those who look up how long, how much and
  how often. What fails, and who comes and goes, a topology logs in words without it.

      iex> LibclusterKubernetes.Telemetry.attach_default_logger(level: :debug)
      :ok
      iex> LibclusterKubernetes.Telemetry.attach_default_logger()
      {:error, :already_exists}
      iex> LibclusterKubernetes.Telemetry.detach_default_logger()
      :ok

  A line looks like this, and has `topology` in its metadata:

      [libcluster_kubernetes] snapshot topology=k8s source=pods resource_version="812" came=1 draining=0 …

  ## Options

    * `:level` (default `:info`) - of the lines. A list that succeeded is logged at `:debug` all the same: where nothing
      watches, each tick is one
    * `:events` (default `events/0`) - some of these
  """
  @spec attach_default_logger(level: Logger.level(), events: [:telemetry.event_name()]) ::
          :ok | {:error, :already_exists}
  def attach_default_logger(opts \\ []), do: DefaultLogger.attach(@events, opts)

  @doc "Ends what `attach_default_logger/1` began."
  @spec detach_default_logger() :: :ok | {:error, :not_found}
  def detach_default_logger, do: DefaultLogger.detach()

  @doc false
  @spec listed(context(), Native.listed()) :: :ok
  def listed(options, %{duration_us: duration, bytes: bytes, pages: pages, kind: kind}) do
    execute([:list, :stop], %{duration: native(duration), bytes: bytes, pages: pages}, options, %{result: kind || :ok})
  end

  @doc false
  @spec watching(context()) :: :ok
  def watching(options), do: execute([:watch, :start], %{system_time: System.system_time()}, options)

  @doc false
  @spec watched(context(), Native.watched()) :: :ok
  def watched(options, %{duration_us: duration, bytes: bytes, events: events, ending: ending}) do
    execute([:watch, :stop], %{duration: native(duration), bytes: bytes, events: events}, options, %{reason: ending})
  end

  @doc false
  @spec snapshot(context(), Native.snapshot(), Membership.t(), {came :: non_neg_integer(), gone :: non_neg_integer()}) ::
          :ok
  def snapshot(options, answer, %{counts: counts}, {came, gone}) do
    dropped = answer.dropped |> Enum.map(& &1.count) |> Enum.sum()
    measurements = Map.merge(counts, %{dropped: dropped, came: came, gone: gone})
    execute([:snapshot], measurements, options, %{resource_version: answer.resource_version})
  end

  @doc false
  @spec error(context(), Native.error(), Incident.t()) :: :ok
  def error(options, error, incident) do
    execute([:error], %{errors: incident.errors}, options, Map.take(error, [:kind, :status, :message]))
  end

  @doc false
  @spec recovery(context(), Incident.t(), Incident.ending(), now :: integer()) :: :ok
  def recovery(_options, %{since: nil}, _ending, _now), do: :ok

  def recovery(options, incident, ending, now) do
    duration = System.convert_time_unit(now - incident.since, :millisecond, :native)
    ending = if ending == :watching, do: :watching, else: :answer
    execute([:recovery], %{duration: duration, errors: incident.errors}, options, %{ending: ending})
  end

  defp execute(event, measurements, options, metadata \\ %{}) do
    context = %{topology: options.topology, source: options.values.kubernetes_ip_lookup_mode}
    :telemetry.execute([:libcluster_kubernetes | event], measurements, Map.merge(context, metadata))
  end

  defp native(microseconds), do: System.convert_time_unit(microseconds, :microsecond, :native)
end
