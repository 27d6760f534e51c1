defmodule LibclusterKubernetes.Test.Cluster.Sight do
  @moduledoc """
  What is seen of the pods of one namespace: all that ever ran, with what they said, since the API forgets a pod's log with
  the pod. Nothing is seen while the API is away; the logs tell of that time afterwards.
  """

  alias LibclusterKubernetes.Test.Cluster.{Kubectl, Pod}

  @enforce_keys [:namespace, :selector, :agent]
  defstruct @enforce_keys

  @doc "Of those with the label `test`, unless another selector is given."
  def start!(namespace, selector \\ "test") do
    {:ok, agent} = Agent.start(fn -> %{} end)
    %__MODULE__{namespace: namespace, selector: selector, agent: agent}
  end

  def stop(sight), do: Agent.stop(sight.agent)

  @doc "All pods that were ever seen, after a look; those of before, where that fails."
  @spec look(%__MODULE__{}) :: [Pod.t()]
  def look(sight) do
    now = System.os_time(:millisecond)

    with {:ok, %{"items" => items}} <- Kubectl.get("#{pods(sight)}?labelSelector=#{sight.selector}") do
      running = items |> Enum.map(&Pod.new/1) |> Enum.reject(&is_nil/1)
      known = known(sight)
      seen = running |> read(sight, known) |> Map.new(fn pod -> {key(pod), %{pod | seen: now}} end)
      gone = for {key, pod} <- known, not is_map_key(seen, key), into: %{}, do: {key, gone(pod, seen)}
      Agent.update(sight.agent, fn _ -> Map.merge(gone, seen) end)
    end

    seen(sight)
  end

  @doc "All pods that were ever seen."
  def seen(sight), do: sight |> known() |> Map.values()

  @doc "The path of the pods in the API."
  def pods(sight), do: "/api/v1/namespaces/#{sight.namespace}/pods"

  defp known(sight), do: Agent.get(sight.agent, & &1)

  # What came after it in its pod knows when it ended. Until that runs, or where nothing comes, it is taken to have ended when
  # it was last seen, which may be a second too late: the kubelet says it afterwards.
  defp gone(pod, seen) do
    ends = with %Pod{predecessor_ended: ended} <- seen[{pod.uid, pod.restarts + 1}], do: ended
    %{pod | ends: ends || pod.ends || pod.seen, gone?: true}
  end

  defp read(pods, sight, known) do
    pods
    |> Task.async_stream(&read_one(&1, sight, known[key(&1)]), max_concurrency: 16, timeout: :infinity)
    |> Enum.map(fn {:ok, pod} -> pod end)
  end

  defp read_one(pod, sight, before) do
    case Kubectl.text("#{pods(sight)}/#{pod.name}/log") do
      {:ok, text} -> Pod.read(pod, text)
      # A node that is cut off: its pods say nothing to us.
      {:error, _} -> if before, do: Pod.read(pod, before.log), else: pod
    end
  end

  # A container that comes back is another node of the same name.
  defp key(pod), do: {pod.uid, pod.restarts}
end
