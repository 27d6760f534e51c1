defmodule LibclusterKubernetes.Bench.Report.Results do
  @moduledoc "The figures as data: one JSON document, a line for each, so that two runs can be compared by diff."

  alias LibclusterKubernetes.Test.JSON

  @doc "The document."
  def json(figures, machine) do
    lines = Enum.map(figures, fn figure -> "    " <> line(figure) end)

    """
    {
      "machine": #{JSON.encode(machine)},
      "figures": [
    #{Enum.join(lines, ",\n")}
      ]
    }
    """
  end

  # In a fixed order of keys.
  defp line(figure) do
    fields =
      for key <- [:measure, :source, :members, :who, :unit, :median, :low, :high, :samples] do
        ~s("#{key}": #{figure |> Map.fetch!(key) |> plain() |> JSON.encode()})
      end

    "{#{Enum.join(fields, ", ")}}"
  end

  defp plain(value) when is_float(value), do: round(value)
  defp plain(value), do: value
end
