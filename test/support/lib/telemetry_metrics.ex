# The part of telemetry_metrics that is used here, where the library itself is not on the code path.
unless Code.ensure_loaded?(Telemetry.Metrics) do
  defmodule Telemetry.Metrics do
    @moduledoc "A stand-in: the fields that reporters read, filled as telemetry_metrics 1.1 fills them."

    for {type, name} <- [counter: Counter, sum: Sum, last_value: LastValue, distribution: Distribution] do
      module = Module.concat(__MODULE__, name)

      defmodule module do
        @moduledoc false
        defstruct [:name, :event_name, :measurement, :tags, :unit, :description, :reporter_options]
      end

      def unquote(type)(name, options), do: struct!(unquote(module), fields(name, options))
    end

    defp fields(name, options) do
      {unit, options} = Keyword.pop(options, :unit, :unit)

      %{tags: [], description: nil, reporter_options: [], unit: to(unit)}
      |> Map.merge(Map.new(options))
      |> Map.merge(%{name: segments(name), measurement: convert(options[:measurement], unit)})
    end

    defp segments(name), do: name |> String.split(".") |> Enum.map(&String.to_atom/1)

    defp to({_from, to}), do: to
    defp to(unit), do: unit

    defp convert(key, {from, to}), do: &(Map.fetch!(&1, key) / System.convert_time_unit(1, to, from))
    defp convert(measurement, _unit), do: measurement
  end
end
