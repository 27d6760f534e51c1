defmodule LibclusterKubernetes.Test.Demo.Acts.ApiForbids do
  @moduledoc "An answer that refuses is no reason either."
  @behaviour LibclusterKubernetes.Test.Demo

  alias LibclusterKubernetes.Test.FakeApiserver
  alias LibclusterKubernetes.Test.Demo.{Expect, Screen}

  @impl true
  def title, do: "It answers 403: nothing is disconnected"

  @impl true
  def play(stage) do
    refused? = Expect.grown(stage, &Expect.lists_answered(&1, 403))
    FakeApiserver.faults(stage.server, [%{at: "request", do: %{status: %{code: 403}}}])
    FakeApiserver.end_watches(stage.server)
    Screen.ok("every watch is ended, and every request answered 403")
    Expect.nothing_lost(stage, "it answered 403", refused?)
  end
end
