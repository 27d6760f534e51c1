defmodule LibclusterKubernetes.Strategy.Judgement do
  @moduledoc false
  # Who is let go of: the one rule. Pure.
  #
  # A pod that dies closes its connections, and OTP notices. Left to decide are live nodes that the answers no longer
  # name: because their labels have changed, or because the answers are wrong. The first is no hurry; to believe the
  # second is an outage. So a list that is not plausibly about this cluster decides nothing, and everybody stays: a link
  # too many harms nobody.
  #
  # The cluster is this node and the members that it is connected to. A list is not about it when it is empty, when it was
  # cut short, when it names nobody of the cluster, or when more than half of the cluster is missing from it. Eureka's
  # self-preservation, Envoy's panic threshold and load balancers that fail open stand on the same ground.

  @type name :: String.t()
  @type verdict :: :nobody | :leave | {:ask, [name(), ...]} | {:implausible, reason()}

  @typedoc "Why a list decides nothing; `cluster` counts this node, too."
  @type reason ::
          :truncated
          | :empty
          | {:strangers, cluster :: pos_integer()}
          | {:most_missing, missing :: pos_integer(), cluster :: pos_integer()}

  @doc """
  What a consistent `list` says of `suspects`, who have been absent for long enough: some of `connected`, the members that
  this node is connected to, or `self`.

  `:leave` is for this node itself, which then is connected to nobody whom it could ask.
  """
  @spec judge(LibclusterKubernetes.Native.snapshot(), name(), MapSet.t(name()), [name()]) :: verdict()
  def judge(list, self, connected, suspects) do
    named = MapSet.new(list.ready ++ list.not_ready ++ list.draining)
    cluster = MapSet.put(connected, self)

    case implausible(list, named, cluster) do
      nil -> verdict(Enum.reject(suspects, &(&1 in named)), self)
      reason -> {:implausible, reason}
    end
  end

  defp implausible(%{truncated: true}, _named, _cluster), do: :truncated

  defp implausible(_list, named, cluster) do
    size = MapSet.size(cluster)
    missing = cluster |> MapSet.difference(named) |> MapSet.size()

    cond do
      Enum.empty?(named) -> :empty
      missing == size -> {:strangers, size}
      2 * missing > size -> {:most_missing, missing, size}
      true -> nil
    end
  end

  defp verdict([], _self), do: :nobody
  defp verdict(gone, self), do: if(self in gone, do: :leave, else: {:ask, Enum.sort(gone)})
end
