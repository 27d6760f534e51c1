defmodule LibclusterKubernetes.Test.Demo.Acts.ApiBack do
  @moduledoc "After all that a pod comes as pods do, and every node has answers again."
  @behaviour LibclusterKubernetes.Test.Demo

  alias LibclusterKubernetes.Test.FakeApiserver
  alias LibclusterKubernetes.Test.Demo.{Cluster, Expect, Files, Screen, Stage, Watch}

  @impl true
  def title, do: "It is well again, and life goes on"

  @impl true
  def play(stage) do
    stage = %{stage | well_at: Watch.now()}
    answered? = Expect.grown(stage, &Expect.answered(&1, 200))
    FakeApiserver.no_faults(stage.server)

    Screen.ok(
      "the API answers as before; nodes go on with their watch from where it was, or list every " <>
        "#{Files.polling_interval()} ms until they may watch again"
    )

    stage = Stage.start_pods(stage, ["127.0.0.7"])
    stage = stage |> Stage.name(stage.running) |> Expect.mesh("all five")

    Screen.say("waiting until every node has asked again ...")
    stage = Watch.until(stage, 40, "every node has an answer again", answered?)
    unless Cluster.mesh?(stage.cluster, stage.running), do: Watch.fail(stage, "not all nodes are connected")

    Screen.ok(
      "every node has answers again, the last one #{Screen.seconds(Watch.now() - stage.well_at)} after the API was well"
    )

    stage
  end
end
