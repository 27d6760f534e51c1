defmodule LibclusterKubernetes.Test.Demo.Acts.ApiGone do
  @moduledoc "No answer is no reason to disconnect anybody; and when the API is back, the watches go on."
  @behaviour LibclusterKubernetes.Test.Demo

  alias LibclusterKubernetes.Test.FakeApiserver
  alias LibclusterKubernetes.Test.Demo.{Expect, Screen, Watch}

  @impl true
  def title, do: "The API server dies: nothing is disconnected"

  @impl true
  def play(stage) do
    noticed? = Expect.grown(stage, &Expect.warnings/1)
    FakeApiserver.listening(stage.server, false)
    Screen.ok("the API's port is closed, with every connection to it")
    stage = Expect.nothing_lost(stage, "the API server was gone", noticed?)

    stage = %{stage | well_at: Watch.now()}
    FakeApiserver.listening(stage.server, true)
    Screen.ok("the API's port is open again; nodes that asked in vain pause at random before they ask again")
    stage = Expect.watching(stage)

    Screen.ok(
      "every node watches again, the last one #{Screen.seconds(Watch.now() - stage.well_at)} after the API was well"
    )

    # What the API sends by itself every minute: only then is an outage over for a node, and its pauses begin small again.
    FakeApiserver.bookmark(stage.server)
    stage
  end
end
