defmodule LibclusterKubernetes.Test.Demo.Acts.PodLetGo do
  @moduledoc "A live node that is named no more leaves by itself, which costs no other link."
  @behaviour LibclusterKubernetes.Test.Demo

  alias LibclusterKubernetes.Test.Demo.{Cluster, Expect, Files, Screen, Stage, Watch}

  @impl true
  def title, do: "One pod is no longer in the EndpointSlice, though its node lives: it is let go"

  @impl true
  def play(stage) do
    pod = List.last(stage.running)
    others = List.delete(stage.running, pod)
    alone? = &Cluster.mesh?(&1.cluster, others)

    start = Watch.now()
    stage = %{stage | leaver: pod} |> Stage.name(others) |> Watch.until(20, "#{pod} has left", alone?)

    Screen.ok(
      "it left by itself, #{Watch.now() - start} ms after the EndpointSlice named it last " <>
        "(kubernetes_disconnect_after: #{Files.disconnect_after()} ms)"
    )

    stage = Expect.quiet(stage, start, alone?)
    Screen.ok("no other node lost a link, and none disconnected it")

    stage = Stage.stop_pod(stage, pod)
    Screen.ok("its release is stopped now, which the others do not notice")
    %{stage | leaver: nil}
  end
end
