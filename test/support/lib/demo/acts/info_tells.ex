defmodule LibclusterKubernetes.Test.Demo.Acts.InfoTells do
  @moduledoc "What a node knows is to be had from it."
  @behaviour LibclusterKubernetes.Test.Demo

  alias LibclusterKubernetes.Test.Demo.{ByHand, Expect, Screen, Watch}

  @impl true
  def title, do: "A node says what it knows: info"

  @impl true
  def play(stage) do
    # The last act left some of them polling.
    stage = Expect.watching(stage)
    [asked | others] = stage.running
    line = ByHand.ask(asked, :info)
    {stage, info} = Watch.type(stage, line)
    Screen.typed(line, info)

    for pod <- others, not String.contains?(info, "hello_cluster@#{pod}") do
      Watch.fail(stage, "#{asked} does not know #{pod}")
    end

    if info =~ "connected?: false", do: Watch.fail(stage, "#{asked} is not connected to all members")
    Screen.ok("#{asked} is connected to its #{length(others)} members")
    stage
  end
end
