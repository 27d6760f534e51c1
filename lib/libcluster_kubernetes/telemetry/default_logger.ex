defmodule LibclusterKubernetes.Telemetry.DefaultLogger do
  @moduledoc false
  # A line for each event: its name, and key=value for all that it carries. What went wrong the topology logs in words by
  # itself; this is for those who look up how long, how much and how often.

  require Logger

  @levels ~w(debug info notice warning error critical alert emergency)a

  @spec attach([:telemetry.event_name()], keyword()) :: :ok | {:error, :already_exists}
  def attach(events, opts) do
    opts = Keyword.validate!(opts, level: :info, events: events)

    unless opts[:level] in @levels do
      raise ArgumentError,
            "level is #{inspect(opts[:level])}, but must be one of #{Enum.map_join(@levels, ", ", &inspect/1)}"
    end

    if unknown = Enum.find(opts[:events], &(&1 not in events)) do
      raise ArgumentError, "events has #{inspect(unknown)}, but must be some of LibclusterKubernetes.Telemetry.events/0"
    end

    :telemetry.attach_many(__MODULE__, opts[:events], &__MODULE__.handle_event/4, opts[:level])
  end

  @spec detach() :: :ok | {:error, :not_found}
  def detach, do: :telemetry.detach(__MODULE__)

  @doc false
  def handle_event([:libcluster_kubernetes | event], measurements, metadata, level) do
    line = fn -> line(event, measurements, metadata) end
    Logger.log(level(event, metadata, level), line, topology: metadata.topology)
  end

  # Where nothing watches, each tick is one.
  defp level([:list, :stop], %{result: :ok}, _level), do: :debug
  defp level(_event, _metadata, level), do: level

  defp line(event, measurements, metadata) do
    {context, metadata} = Map.split(metadata, [:topology, :source])

    fields =
      for fields <- [Enum.sort(context, :desc), Enum.sort(metadata), Enum.sort(measurements)],
          {key, value} <- fields,
          said?(key, value),
          do: field(key, value)

    Enum.join(["[libcluster_kubernetes]", Enum.join(event, ".") | fields], " ")
  end

  # Every line has its time.
  defp said?(key, value), do: value != nil and key != :system_time

  defp field(:duration, native) do
    milliseconds = System.convert_time_unit(native, :native, :microsecond) / 1_000
    "duration=#{:erlang.float_to_binary(milliseconds, decimals: 1)}ms"
  end

  defp field(key, value) when is_binary(value), do: "#{key}=#{inspect(value)}"
  defp field(key, value), do: "#{key}=#{value}"
end
