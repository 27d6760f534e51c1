defmodule LibclusterKubernetes.Test.Demo.Expect do
  @moduledoc "What acts expect of the nodes. Each waits for it, says that it came, and fails where it does not."

  alias LibclusterKubernetes.Test.FakeApiserver
  alias LibclusterKubernetes.Test.Demo.{Cluster, Files, Requests, Screen, Stage, Watch}

  # Whoever is absent is disconnected after so long and as much again, which it has to leave by itself. For so long and a
  # little longer nothing may happen. Not much longer: the more often nodes ask in vain, the longer they pause.
  @window Files.disconnect_after() * 2 + 300

  @type condition :: (Stage.t() -> boolean())

  @doc "Every node has a watch that is open. What it was told before came from its list."
  @spec watching(Stage.t()) :: Stage.t()
  def watching(stage) do
    Watch.until(stage, 40, "every node watches", fn stage ->
      FakeApiserver.summary(stage.server)["watches_open"] == length(stage.running)
    end)
  end

  @doc "Names the running pods in the EndpointSlice, and measures how long it takes until all say that they joined."
  @spec told(Stage.t(), [Stage.pod()], String.t()) :: Stage.t()
  def told(stage, newcomers, whom) do
    requests = requests(stage)
    earlier = length(stage.latencies)
    stage = %{stage | newcomers: newcomers} |> Stage.name(stage.running) |> await_mesh()
    meanwhile = requests(stage) - requests
    slowest = stage.latencies |> Enum.drop(earlier) |> Enum.max()

    Screen.ok(
      "#{whom} are connected to each other, #{Screen.milliseconds(slowest)} after the write to the API; " <>
        "API requests of all nodes meanwhile: #{meanwhile}"
    )

    %{stage | newcomers: [], meanwhile: stage.meanwhile + meanwhile}
  end

  @doc "Every running node is connected to every other."
  @spec mesh(Stage.t(), String.t()) :: Stage.t()
  def mesh(stage, whom) do
    stage = await_mesh(stage)
    Screen.ok("#{whom} are connected to each other")
    stage
  end

  @doc "Every node notices what happened to the API, else it would prove nothing; and then for a while no link is lost."
  @spec nothing_lost(Stage.t(), String.t(), condition()) :: Stage.t()
  def nothing_lost(stage, meanwhile, noticed?) do
    start = Watch.now()
    stage = Watch.until(stage, 20, "every node noticed that #{meanwhile}", noticed?)
    noticed = Watch.now()

    Screen.say(
      "every node noticed, the last one after #{Screen.seconds(noticed - start)}; " <>
        "for #{Screen.seconds(@window)} more nobody may leave ..."
    )

    stage = quiet(stage, noticed, &Cluster.mesh?(&1.cluster, &1.running))

    Screen.ok(
      "in the #{Screen.seconds(Watch.now() - start)} that #{meanwhile} no link was lost " <>
        "(kubernetes_disconnect_after: #{Screen.seconds(Files.disconnect_after())})"
    )

    stage
  end

  @doc "Until those who are absent would have been disconnected, and this still holds then."
  @spec quiet(Stage.t(), since :: integer(), condition()) :: Stage.t()
  def quiet(stage, since, holds?) do
    Watch.until(stage, 20, "the links are as they should be", &(Watch.now() >= since + @window and holds?.(&1)))
  end

  @doc "Whether for every running node the count, by pod, is greater than it is now."
  @spec grown(Stage.t(), (Stage.t() -> map())) :: condition()
  def grown(stage, count) do
    before = count.(stage)

    fn stage ->
      counts = count.(stage)
      Enum.all?(stage.running, &(Map.get(counts, &1, 0) > Map.get(before, &1, 0)))
    end
  end

  ## What is counted, by pod

  def watches_asked(stage), do: stage |> journal() |> Requests.watches()
  def lists_asked(stage), do: stage |> journal() |> Requests.lists()
  def lists_answered(stage, status), do: stage |> journal() |> Requests.lists(status)
  def answered(stage, status), do: stage |> journal() |> Requests.all(status)
  def warnings(stage), do: stage.cluster.warnings

  defp journal(stage), do: FakeApiserver.journal(stage.server)
  defp requests(stage), do: FakeApiserver.summary(stage.server)["requests"]

  defp await_mesh(stage) do
    Watch.until(stage, 40, "every node has joined every other", &Cluster.mesh?(&1.cluster, &1.running))
  end
end
