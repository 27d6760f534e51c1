defmodule LibclusterKubernetes.Bench.Report.Table do
  @moduledoc "All figures as one table of text: median, and in parentheses the 10th to the 90th percentile."

  alias LibclusterKubernetes.Bench.Report.Unit

  # In the order of the table; {} are processes of the server.
  @titles [
    poll_time: "time per poll",
    poll_client_cpu: "client CPU per poll",
    poll_server_cpu: "server CPU per poll",
    poll_apiserver_cpu: "  of which kube-apiserver",
    poll_etcd_cpu: "  of which etcd",
    poll_bytes: "bytes per poll, on the wire",
    poll_memory: "peak growth of memory, polling",
    change: "one change: the topology's process",
    reaction: "reaction, write to connect",
    idle_requests: "idle hour: requests",
    idle_bytes: "idle hour: bytes on the wire",
    idle_client_cpu: "idle hour: client CPU",
    idle_server_cpu: "idle hour: server CPU",
    start_blocked: "start: supervisor blocked",
    start_first: "start: first connect asked for",
    start_connected: "start: last connect asked for",
    start_nif_load: "start: loading the NIF",
    lateness_worst: "worst lateness, busy scheduler",
    lateness_long_schedule: "  longest run seen by the VM",
    many_still_server_cpu: "many topologies: server CPU per s",
    many_still_client_cpu: "many topologies: client CPU per s",
    many_changing_server_cpu: "  with changes: server CPU per s",
    many_changing_client_cpu: "  with changes: client CPU per s",
    many_memory: "many topologies: memory"
  ]

  @header ["", "source", "members", "ours", "stock", "ours/stock", "other"]

  @doc "The table's text."
  def text(figures) do
    rows = for {measure, title} <- @titles, row <- rows(figures, measure, title), do: row
    lines = [@header | rows]

    widths =
      lines |> Enum.zip_with(& &1) |> Enum.map(fn column -> column |> Enum.map(&String.length/1) |> Enum.max() end)

    Enum.map_join(lines, "\n", fn line ->
      line
      |> Enum.zip(widths)
      |> Enum.map_join("  ", fn {cell, width} -> String.pad_trailing(cell, width) end)
      |> String.trim_trailing()
    end)
  end

  @doc "What a measure is called."
  def title(measure), do: @titles[measure]

  defp rows(figures, measure, title) do
    figures
    |> Enum.filter(&(&1.measure == measure))
    |> Enum.group_by(&{&1.source, &1.members})
    |> Enum.sort()
    |> Enum.map(fn {{source, members}, figures} ->
      by_who = Map.new(figures, &{&1.who, &1})

      others =
        for who <- [:bare, :bare_cached, :nobody, :write], figure = by_who[who], do: "#{other(who)} #{cell(figure)}"

      [title, "#{source}", "#{members}", cell(by_who[:ours]), cell(by_who[:stock])] ++
        [ratio(by_who[:ours], by_who[:stock]), Enum.join(others, ", ")]
    end)
  end

  defp other(:bare), do: "a bare GET:"
  defp other(:bare_cached), do: "from the cache:"
  defp other(:nobody), do: "nothing listed:"
  defp other(:write), do: "the write itself:"

  defp cell(nil), do: "–"
  defp cell(%{samples: 1} = figure), do: Unit.text(figure.median, figure.unit)

  defp cell(figure) do
    [median, low, high] = for value <- [figure.median, figure.low, figure.high], do: Unit.text(value, figure.unit)
    "#{median} (#{low} – #{high})"
  end

  defp ratio(%{median: ours}, %{median: theirs}), do: Unit.ratio(ours, theirs)
  defp ratio(_ours, _stock), do: "–"
end
