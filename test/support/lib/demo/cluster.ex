defmodule LibclusterKubernetes.Test.Demo.Cluster do
  @moduledoc "Who is connected to whom, as the nodes themselves say, and what else they said. Pure."

  alias LibclusterKubernetes.Test.Demo.Line

  # A link is a pair, of who says it and to whom.
  defstruct started: MapSet.new(), links: MapSet.new(), joins: %{}, leaves: %{}, warnings: %{}, lines: %{}

  @type pod :: Line.pod()
  @type t :: %__MODULE__{
          started: MapSet.t(pod()),
          links: MapSet.t({pod(), pod()}),
          joins: %{pod() => non_neg_integer()},
          leaves: %{pod() => non_neg_integer()},
          warnings: %{pod() => non_neg_integer()},
          lines: %{pod() => [String.t()]}
        }

  def new, do: %__MODULE__{}

  @doc "Takes in a line of this pod's node, as it is and as `Line.parse/2` understood it."
  @spec said(t(), pod(), String.t(), Line.t()) :: t()
  def said(cluster, pod, line, parsed) do
    take(%{cluster | lines: Map.update(cluster.lines, pod, [line], &[line | &1])}, pod, parsed)
  end

  defp take(cluster, pod, {:started, _at}), do: %{cluster | started: MapSet.put(cluster.started, pod)}

  defp take(cluster, pod, {:joined, other, _size, _at}) do
    %{cluster | links: MapSet.put(cluster.links, {pod, other}), joins: count(cluster.joins, pod)}
  end

  defp take(cluster, pod, {:left, other, _size, _at}) do
    %{cluster | links: MapSet.delete(cluster.links, {pod, other}), leaves: count(cluster.leaves, pod)}
  end

  defp take(cluster, pod, {:log, "warn" <> _, _text}), do: %{cluster | warnings: count(cluster.warnings, pod)}
  defp take(cluster, _pod, _other), do: cluster

  @doc "Whether each of these is connected to each other, and nothing else is connected."
  @spec mesh?(t(), [pod()]) :: boolean()
  def mesh?(cluster, pods) do
    MapSet.equal?(cluster.links, for(one <- pods, other <- pods, one != other, into: MapSet.new(), do: {one, other}))
  end

  @doc "What this node said last, the oldest line first."
  @spec last_lines(t(), pod(), pos_integer()) :: [String.t()]
  def last_lines(cluster, pod, most) do
    cluster.lines |> Map.get(pod, []) |> Enum.reject(&(&1 == "")) |> Enum.take(most) |> Enum.reverse()
  end

  defp count(counts, pod), do: Map.update(counts, pod, 1, &(&1 + 1))
end
