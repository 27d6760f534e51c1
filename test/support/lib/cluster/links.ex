defmodule LibclusterKubernetes.Test.Cluster.Links do
  @moduledoc "Which links there are between pods, and which were lost, from what the pods say themselves."

  alias LibclusterKubernetes.Test.Cluster.Pod

  @given_up ~r/^[\d:.]+ \[warning\] 'global' at :"[^"]+" failed to connect to :"[^"]+"/m

  @doc "What is missing until each of the pods that stay is connected to each; nil when nothing is."
  @spec missing([Pod.t()], non_neg_integer()) :: String.t() | nil
  def missing(pods, expected) do
    staying = Enum.filter(pods, &Pod.stays?/1)
    links = for one <- staying, other <- staying, one.uid != other.uid, not linked?(one, other), do: {one, other}

    strangers =
      for pod <- staying, node <- strangers(pod, pods), do: "#{pod.name} is connected to #{node}, which is none"

    cond do
      length(staying) != expected ->
        "#{length(staying)} of #{expected} pods run"

      links != [] ->
        "not connected: #{Enum.map_join(links, ", ", fn {one, other} -> "#{one.name} to #{other.name}" end)}"

      strangers != [] ->
        Enum.join(strangers, ", ")

      true ->
        nil
    end
  end

  @doc "The links that were lost since a time though both ends lived on, as `{time, pod that says so, other pod}`."
  @spec lost([Pod.t()], integer()) :: [{integer(), Pod.t(), Pod.t()}]
  def lost(pods, since) do
    for pod <- pods,
        {at, :left, node} <- pod.events,
        at >= since and Pod.alive?(pod, at),
        other <- pods,
        other.node == node and other.uid != pod.uid and Pod.alive?(other, at) do
      {at, pod, other}
    end
  end

  @doc """
  Whom OTP's `global`, which connects to whom it hears of, could not connect to, as the pods' logs have it: then it cuts the links of
  that node to all others. So it does on a machine that has more to do than it can, or whose network drops packets.
  """
  @spec given_up([Pod.t()]) :: [String.t()]
  def given_up(pods), do: for(pod <- pods, [line] <- Regex.scan(@given_up, pod.log), do: line)

  @doc "When the last link between pods that stay came up, or the last of them started; nil before any has."
  @spec last_change([Pod.t()]) :: integer() | nil
  def last_change(pods) do
    staying = Enum.filter(pods, &Pod.stays?/1)
    nodes = MapSet.new(staying, & &1.node)
    times = for pod <- staying, {at, :joined, node} <- pod.events, node in nodes, do: at
    Enum.max(times ++ Enum.map(staying, & &1.started), fn -> nil end)
  end

  @doc "When the last of the pods that stay started."
  def last_start(pods), do: pods |> Enum.filter(&Pod.stays?/1) |> Enum.map(& &1.started) |> Enum.max(fn -> nil end)

  defp linked?(one, other), do: other.node in Pod.connected(one)

  # Nodes of pods that terminate may still be there.
  defp strangers(pod, pods), do: MapSet.difference(Pod.connected(pod), MapSet.new(pods, & &1.node))
end
