defmodule LibclusterKubernetes.Test.Demo.Screen do
  @moduledoc "What the demo prints: its own words, and below them, dim, those of the nodes."

  alias LibclusterKubernetes.Test.Demo.Cluster

  # Columns of what a node logs, and of what a command prints; lines of what each node said last.
  @width 96
  @wide 130
  @last 8

  def title(text), do: puts(["\n", :bright, text])
  def say(""), do: puts("")
  def say(text), do: puts(["  ", text])
  def ok(text), do: puts(["  ", :green, "✓ ", :reset, text])
  def failed(text), do: puts(["  ", :red, "✗ ", text])

  @doc "What somebody types, and what comes of it."
  def typed(command, output \\ "") do
    puts(["    ", :bright, "$ ", command])
    for line <- String.split(output, "\n"), part <- fit(line), output != "", do: puts([:faint, indented(part)])
    :ok
  end

  @doc "What a node says; `latency` in microseconds, or `nil`."
  def event(pod, {:started, _at}, _latency), do: puts([:faint, "    ", column(pod, 11), " started"])

  def event(pod, {event, other, size, _at}, latency) do
    late = if latency, do: "  " <> milliseconds(latency), else: ""
    puts([:faint, "    #{column(pod, 11)} #{column(event, 6)} #{column(other, 11)} (#{size} in the cluster)#{late}"])
  end

  @doc "What a node logs."
  def log(pod, level, text) do
    lead = "    #{column(pod, 11)} [#{level}] "
    [first | rest] = wrap(text, @width)
    puts([:faint, lead, first])
    for line <- rest, do: puts([:faint, String.duplicate(" ", String.length(lead)), line])
    :ok
  end

  @doc "What each node said last."
  def last_lines(pods, cluster) do
    for pod <- pods, lines = Cluster.last_lines(cluster, pod, @last), lines != [] do
      puts("\n  The last lines of #{pod}:")
      for line <- lines, do: puts(indented(line))
    end

    :ok
  end

  @doc "Breaks a line between words, so that none of its parts is longer; a word that is longer stays whole."
  @spec wrap(String.t(), pos_integer()) :: [String.t()]
  def wrap(text, width) do
    [first | rest] = String.split(text, " ")

    {last, lines} =
      Enum.reduce(rest, {first, []}, fn word, {line, lines} ->
        if String.length(line) + 1 + String.length(word) <= width,
          do: {line <> " " <> word, lines},
          else: {word, [line | lines]}
      end)

    Enum.reverse([last | lines])
  end

  def seconds(milliseconds), do: "#{Float.round(milliseconds / 1000, 1)} s"
  def milliseconds(microseconds), do: "#{Float.round(microseconds / 1000, 1)} ms"

  # As it is, where it is not too long.
  defp fit(line) do
    [indent, text] = Regex.run(~r/\A(\s*)(.*)\z/, line, capture: :all_but_first)
    [first | rest] = wrap(text, @wide - String.length(indent))
    [indent <> first | Enum.map(rest, &(indent <> "  " <> &1))]
  end

  defp indented(""), do: ""
  defp indented(line), do: "    " <> line

  defp column(text, width), do: text |> to_string() |> String.pad_trailing(width)

  # With colours where bin/demo found a terminal.
  defp puts(text), do: text |> IO.ANSI.format() |> IO.puts()
end
