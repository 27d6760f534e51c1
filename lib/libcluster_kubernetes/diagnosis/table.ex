defmodule LibclusterKubernetes.Diagnosis.Table do
  @moduledoc false
  # A diagnosis as a table for people: the cause first, then every check with what to change.

  alias LibclusterKubernetes.Diagnosis.Check

  # Columns of text before a line is broken; lines with an indent of their own are YAML or commands and stay whole.
  @width 100
  @indent String.duplicate(" ", 24)

  @labels %{ok: "ok", warning: "warning", failed: "FAILED", skipped: "skipped"}

  @spec text(%{topology: atom(), node: String.t(), checks: [Check.t()], cause: Check.t() | nil}) :: String.t()
  def text(diagnosis) do
    Enum.join([title(diagnosis), "" | Enum.map(diagnosis.checks, &row/1)], "\n")
  end

  defp title(%{topology: topology, node: node, cause: cause}) do
    Enum.join(["Topology #{inspect(topology)} on #{node}" | cause(cause)], "\n")
  end

  defp cause(nil), do: ["No check failed."]
  defp cause(check), do: break("Cause: #{check.name}: #{check.found}", @width)

  defp row(check) do
    head = "  #{String.pad_trailing(@labels[check.status], 8)} #{String.pad_trailing("#{check.name}", 12)} "
    [first | rest] = lines(check.found)
    Enum.join([head <> first | Enum.map(rest ++ remedy(check.remedy), &(@indent <> &1))], "\n")
  end

  defp remedy(nil), do: []

  defp remedy(text) do
    [first | rest] = lines(text)
    ["-> " <> first | Enum.map(rest, &("   " <> &1))]
  end

  defp lines(text), do: text |> String.split("\n") |> Enum.flat_map(&break(&1, @width))

  defp break(" " <> _ = line, _width), do: [line]

  defp break(line, width) do
    line
    |> String.split(" ")
    |> Enum.reduce([], fn
      word, [] ->
        [word]

      word, [line | lines] ->
        if String.length(line) + String.length(word) < width,
          do: ["#{line} #{word}" | lines],
          else: [word, line | lines]
    end)
    |> Enum.reverse()
  end
end
