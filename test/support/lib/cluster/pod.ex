defmodule LibclusterKubernetes.Test.Cluster.Pod do
  @moduledoc """
  A node as the cluster and its own log tell of it: one container of one pod, for as long as it runs.

  All times are milliseconds since 1970. `ends` is nil while it lives; of one that terminates it is when its VM may end,
  which is after `preStop`, and of one that is gone when it was last seen. `predecessor_ended` is when the container ended
  that ran before this one in the pod.
  """

  @enforce_keys [:uid, :restarts, :name, :app, :host]
  defstruct @enforce_keys ++
              [
                :node,
                :started,
                :ends,
                :predecessor_ended,
                ready?: false,
                leaving?: false,
                gone?: false,
                labels: %{},
                events: [],
                log: "",
                seen: 0
              ]

  @type event :: {at :: integer(), :joined | :left, node :: String.t()}
  @type t :: %__MODULE__{}

  @line ~r/^(?<node>\S+@\S+): (?<event>started|joined|left)(?: (?<other>\S+))? \(\d+ in the cluster\) at (?<at>[\d.]+)$/m

  @doc "A pod of the API, unless its container does not run."
  @spec new(map()) :: t() | nil
  def new(%{"metadata" => metadata, "spec" => spec, "status" => status}) do
    with [%{"state" => %{"running" => _}} = container] <- Map.get(status, "containerStatuses", []) do
      %__MODULE__{
        uid: metadata["uid"],
        restarts: container["restartCount"],
        name: metadata["name"],
        app: metadata["labels"]["app"],
        host: spec["nodeName"],
        labels: metadata["labels"],
        leaving?: is_map_key(metadata, "deletionTimestamp"),
        ends: ends(metadata, spec),
        predecessor_ended: ended(get_in(container, ["lastState", "terminated", "finishedAt"])),
        ready?: Enum.any?(status["conditions"] || [], &(&1["type"] == "Ready" and &1["status"] == "True"))
      }
    else
      _ -> nil
    end
  end

  @doc "The same with what its log says."
  @spec read(t(), String.t()) :: t()
  def read(pod, log) do
    lines = Regex.scan(@line, log, capture: ["node", "event", "other", "at"])
    events = for [_, event, other, at] <- lines, other != "", do: {milliseconds(at), String.to_atom(event), other}

    case List.keyfind(for([node, event, _, at] <- lines, do: {event, node, milliseconds(at)}), "started", 0) do
      {_, node, started} -> %{pod | log: log, node: node, started: started, events: events}
      nil -> %{pod | log: log}
    end
  end

  @doc "Whom it is connected to."
  @spec connected(t()) :: MapSet.t(String.t())
  def connected(pod) do
    Enum.reduce(pod.events, MapSet.new(), fn
      {_, :joined, node}, nodes -> MapSet.put(nodes, node)
      {_, :left, node}, nodes -> MapSet.delete(nodes, node)
    end)
  end

  @doc "Whether it lived at that time."
  def alive?(pod, at), do: pod.started != nil and pod.started <= at and (pod.ends == nil or at < pod.ends)

  @doc "Whether it is to be a part of the mesh: its node runs, and is not about to end."
  def stays?(pod), do: pod.node != nil and not pod.leaving? and pod.ends == nil

  # The API gives the end of the grace period.
  defp ends(%{"deletionTimestamp" => end_of_grace} = metadata, spec) do
    [container | _] = spec["containers"]
    pre_stop = get_in(container, ["lifecycle", "preStop", "sleep", "seconds"]) || 0
    seconds(end_of_grace) - 1_000 * ((metadata["deletionGracePeriodSeconds"] || 0) - pre_stop)
  end

  defp ends(_metadata, _spec), do: nil

  # When the container's runtime has noticed, which takes a moment on a machine with a lot to do.
  defp ended(nil), do: nil
  defp ended(text), do: seconds(text) - 1_000

  # The API's times are whole seconds, and so never too late.
  defp seconds(text) do
    {:ok, time, 0} = DateTime.from_iso8601(text)
    DateTime.to_unix(time, :millisecond)
  end

  defp milliseconds(text), do: text |> String.to_float() |> Kernel.*(1_000) |> round()
end
