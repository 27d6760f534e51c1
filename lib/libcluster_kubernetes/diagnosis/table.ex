defmodule LibclusterKubernetes.Diagnosis.Table do
  @moduledoc false
  # A diagnosis as a table for people: the cause first, then every check with what to change, and below them what is to be
  # applied, from column 0, so that it can be pasted.

  alias LibclusterKubernetes.Diagnosis.Check

  @columns 80
  # What is narrower breaks every line; what is wider is hard to read.
  @narrowest 60
  @widest 120

  @labels %{ok: "ok", warning: "warning", failed: "FAILED", skipped: "skipped"}
  @colours %{ok: :green, warning: :yellow, failed: :red, skipped: :faint}
  @label 8
  @name 13

  @type option :: {:columns, pos_integer()} | {:colours, boolean()}
  @typedoc "`t:LibclusterKubernetes.Diagnosis.t/0`, which uses this module."
  @type diagnosis :: %{
          :topology => atom(),
          :node => String.t(),
          :checks => [Check.t()],
          :cause => Check.t() | nil,
          optional(atom()) => term()
        }

  @doc "As the terminal has it that it is printed to, if it is one."
  @spec terminal() :: [option()]
  def terminal do
    case :io.columns() do
      {:ok, columns} -> [columns: columns |> max(@narrowest) |> min(@widest), colours: IO.ANSI.enabled?()]
      {:error, _} -> []
    end
  end

  @spec text(diagnosis(), [option()]) :: String.t()
  def text(diagnosis, opts) do
    columns = Keyword.get(opts, :columns, @columns)
    paint = &([&1, &2] |> IO.ANSI.format(Keyword.get(opts, :colours, false)) |> IO.iodata_to_binary())
    rows = diagnosis.checks |> fold() |> Enum.map(&row(&1, columns, paint))
    Enum.join(title(diagnosis, columns, paint) ++ [""] ++ rows ++ to_apply(diagnosis.checks), "\n")
  end

  defp title(%{topology: topology, node: node} = diagnosis, columns, paint) do
    lines("Topology #{inspect(topology)} on #{node}", 0, columns) ++
      Enum.map(lines(summary(diagnosis), 0, columns), &paint.(:bright, &1))
  end

  defp summary(%{cause: %{name: name, found: found}}), do: "Cause: #{name}: #{found}"

  defp summary(%{checks: checks}) do
    case Enum.find(checks, &(&1.status == :warning)) do
      nil -> "No check failed."
      %{name: name, found: found} -> "No check failed. The first warning is #{name}: #{found}"
    end
  end

  # What was skipped for the same reason, one after the other, is one row.
  defp fold(checks) do
    checks
    |> Enum.chunk_by(&{&1.status, if(&1.status == :skipped, do: &1.found, else: make_ref())})
    |> Enum.map(fn
      [check] -> check
      [first | _] = skipped -> %{first | name: nil, found: "#{Enum.map_join(skipped, ", ", & &1.name)}: #{first.found}"}
    end)
  end

  defp row(check, columns, paint) do
    name = if check.name, do: String.pad_trailing("#{check.name}", @name), else: ""
    indent = @label + String.length(name)
    label = String.pad_trailing(@labels[check.status], @label)
    head = paint.(@colours[check.status], label) <> name

    indentation = String.duplicate(" ", indent)
    [first | rest] = lines = lines(check.found, indent, columns)

    found =
      if String.starts_with?(first, indentation),
        do: [head <> String.replace_prefix(first, indentation, "") | rest],
        # A first word that needs a line of its own.
        else: [String.trim_trailing(head) | lines]

    Enum.join(found ++ remedy(check.remedy, columns), "\n")
  end

  defp remedy(nil, _columns), do: []

  defp remedy(text, columns) do
    arrow = String.duplicate(" ", @label + @name)
    [<<_::binary-size(@label + @name), "   ", first::binary>> | rest] = lines(text, @label + @name + 3, columns)
    [arrow <> "-> " <> first | rest]
  end

  # Once for each that is different: who may not watch may mostly not list either.
  defp to_apply(checks) do
    checks
    |> Enum.reject(&is_nil(&1.apply))
    |> Enum.group_by(& &1.apply, & &1.name)
    |> Enum.map(fn {yaml, names} ->
      """

      # For #{Enum.join(names, " and ")}, to be pasted into a shell:
      kubectl apply -f - <<'END'
      #{yaml}
      END\
      """
    end)
  end

  # Lines with an indent of their own are YAML or commands and stay whole.
  defp lines(text, indent, columns) do
    text
    |> String.split("\n")
    |> Enum.chunk_by(&whole?/1)
    |> Enum.flat_map(fn
      [" " <> _ | _] = lines -> shift(lines, indent, columns)
      lines -> Enum.flat_map(lines, &break(&1, indent, columns))
    end)
  end

  defp whole?(line), do: String.starts_with?(line, " ")

  # All of them as far to the left as the longest needs.
  defp shift(lines, indent, columns) do
    longest = lines |> Enum.map(&String.length/1) |> Enum.max()
    Enum.map(lines, &(String.duplicate(" ", max(min(indent, columns - longest), 0)) <> &1))
  end

  defp break(line, indent, columns) do
    line
    |> String.split(" ")
    |> Enum.flat_map(&cut(&1, columns))
    |> Enum.reduce([], fn
      word, [] -> [word]
      word, [line | lines] -> join(word, line, lines, columns - indent)
    end)
    |> Enum.reverse()
    # A name that is longer than the column is wide begins further to the left, so that it stays whole.
    |> Enum.map(&(String.duplicate(" ", max(min(indent, columns - String.length(&1)), 0)) <> &1))
  end

  defp join(word, line, lines, width) do
    if String.length(line) + String.length(word) < width, do: ["#{line} #{word}" | lines], else: [word, line | lines]
  end

  defp cut(word, columns) do
    case String.split_at(word, columns) do
      {word, ""} -> [word]
      {part, rest} -> [part | cut(rest, columns)]
    end
  end
end
