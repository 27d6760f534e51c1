defmodule LibclusterKubernetes.Test.Demo.Summary do
  @moduledoc "What all of it came to, in figures."

  alias LibclusterKubernetes.Test.Demo.{Cluster, Expect, Requests, Screen, Stage, Watch}

  @doc "Says it."
  @spec say(Stage.t()) :: Stage.t()
  def say(stage) do
    Screen.title("Summary")
    lists = Expect.lists_asked(stage)
    watches = Expect.watches_asked(stage)
    for line <- table(stage.pods, stage.cluster, lists, watches), do: Screen.say(line)
    Screen.say("(some of the lists are those of diagnose)")
    Screen.say("#{latencies(stage.latencies)}; API requests meanwhile: #{stage.meanwhile}")
    Screen.say("false disconnects: 0")
    Screen.ok("all as it should be, in #{Screen.seconds(Watch.now() - stage.began)} after the build")
    stage
  end

  @doc "A line for each pod, and one for all."
  @spec table([Stage.pod()], Cluster.t(), Requests.counts(), Requests.counts()) :: [String.t()]
  def table(pods, cluster, lists, watches) do
    columns = [cluster.joins, cluster.leaves, lists, watches]
    rows = for pod <- pods, do: row(pod, for(counts <- columns, do: Map.get(counts, pod, 0)))
    sums = for counts <- columns, do: counts |> Map.take(pods) |> Map.values() |> Enum.sum()
    [row("node", ~w(joins leaves lists watches))] ++ rows ++ [row("#{length(pods)} nodes", sums)]
  end

  @doc "Microseconds from the write until a node said that it joined."
  @spec latencies([pos_integer()]) :: String.t()
  def latencies(latencies) do
    sorted = Enum.sort(latencies)
    middle = Enum.at(sorted, div(length(sorted), 2))
    [least, median, worst] = Enum.map([hd(sorted), middle, List.last(sorted)], &Screen.milliseconds/1)

    "#{length(sorted)} joins by watching, from the write to the API until a node said so: " <>
      "min #{least}, median #{median}, worst #{worst}"
  end

  defp row(name, values) do
    Enum.map_join([String.pad_trailing(name, 12) | values], " ", &(&1 |> to_string() |> String.pad_leading(8)))
  end
end
