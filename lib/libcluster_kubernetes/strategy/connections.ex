defmodule LibclusterKubernetes.Strategy.Connections do
  @moduledoc false
  # The nodes that this one is connected to, by their names as the answers have them. Names are made only of who came: to make
  # a thousand takes longer than all else that a tick does.

  defstruct nodes: [], names: MapSet.new(), lost: [], crash: nil

  @typedoc "`lost` are the names that were there before the last change, `crash` is why they could not be asked for now."
  @type t :: %__MODULE__{
          nodes: [node()],
          names: MapSet.t(String.t()),
          lost: [String.t()],
          crash: nil | {:crashed, String.t()}
        }

  @spec new() :: t()
  def new, do: %__MODULE__{}

  @doc "Those of this moment; the same as before, where nobody came or went, or the function of somebody's own raises."
  @spec now(t(), {module(), atom(), [term()]}) :: t()
  def now(connections, {module, function, args}) do
    case apply(module, function, args) do
      nodes when nodes == connections.nodes -> %{connections | crash: nil}
      nodes -> change(connections, nodes)
    end
  catch
    kind, reason -> %{connections | crash: {:crashed, Exception.format(kind, reason, __STACKTRACE__)}}
  end

  defp change(%{nodes: before, names: names}, nodes) do
    {gone, came} = differences(before, nodes)
    lost = names(Enum.uniq(gone) -- nodes)

    %__MODULE__{
      nodes: nodes,
      names: Enum.into(names(came), Enum.reduce(lost, names, &MapSet.delete(&2, &1))),
      lost: lost
    }
  end

  # The VM lists nodes in the same order each time. So what both begin with, and what both end with, is all but everything.
  defp differences(before, now) do
    {before, now} = without_common(before, now)
    without_common(Enum.reverse(before), Enum.reverse(now))
  end

  defp without_common([node | before], [node | now]), do: without_common(before, now)
  defp without_common(before, now), do: {before, now}

  defp names(nodes), do: Enum.map(nodes, &Atom.to_string/1)
end
