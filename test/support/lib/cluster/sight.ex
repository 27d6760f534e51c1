defmodule LibclusterKubernetes.Test.Cluster.Sight do
  @moduledoc """
  What is seen of the pods of one namespace: all that ever ran, with what they said, since the API forgets a pod's log with
  the pod. Nothing is seen while the API is away; the logs tell of that time afterwards.
  """

  alias LibclusterKubernetes.Test.Cluster.{Kubectl, Pod}

  @enforce_keys [:namespace, :agent]
  defstruct @enforce_keys

  def start!(namespace) do
    {:ok, agent} = Agent.start(fn -> %{} end)
    %__MODULE__{namespace: namespace, agent: agent}
  end

  def stop(sight), do: Agent.stop(sight.agent)

  @doc "All pods that were ever seen, after a look; those of before, where that fails."
  @spec look(%__MODULE__{}) :: [Pod.t()]
  def look(sight) do
    now = System.os_time(:millisecond)

    with {:ok, %{"items" => items}} <- Kubectl.get("#{pods(sight)}?labelSelector=test") do
      running = items |> Enum.map(&Pod.new/1) |> Enum.reject(&is_nil/1)
      Agent.update(sight.agent, &take(&1, read(sight, running), now))
    end

    seen(sight)
  end

  @doc "All pods that were ever seen."
  def seen(sight), do: sight.agent |> Agent.get(& &1) |> Map.values()

  @doc "The path of the pods in the API."
  def pods(sight), do: "/api/v1/namespaces/#{sight.namespace}/pods"

  defp read(sight, pods) do
    pods
    |> Task.async_stream(&{&1, Kubectl.text("#{pods(sight)}/#{&1.name}/log?container=app")},
      max_concurrency: 8,
      timeout: 30_000
    )
    |> Enum.map(fn {:ok, read} -> read end)
  end

  defp take(known, read, now) do
    present = MapSet.new(read, fn {pod, _log} -> key(pod) end)

    gone =
      for {key, pod} <- known, key not in present, into: %{} do
        {key, %{pod | ends: pod.ends || pod.seen, gone?: true}}
      end

    for {pod, log} <- read, into: gone do
      pod =
        case {log, known[key(pod)]} do
          {{:ok, text}, _} -> Pod.read(pod, text)
          {_error, nil} -> pod
          # A node that is cut off: its pods say nothing to us.
          {_error, before} -> Pod.read(pod, before.log)
        end

      {key(pod), %{pod | seen: now}}
    end
  end

  # A container that comes back is another node of the same name.
  defp key(pod), do: {pod.uid, pod.restarts}
end
