defmodule LibclusterKubernetes.Test.Demo.Acts.PodsCome do
  @moduledoc """
  A pod is named, and everybody connects to it within milliseconds, without a request.

  A node that starts connects to all it finds, whether or not they know of it yet. To measure the watches of the others,
  its own list gets no answer until they have connected; those that watch do not list.
  """
  @behaviour LibclusterKubernetes.Test.Demo

  alias LibclusterKubernetes.Test.FakeApiserver
  alias LibclusterKubernetes.Test.Demo.{Expect, Screen, Stage, Watch}

  @impl true
  def title, do: "Two more pods come up, one after the other, and the watches tell at once"

  @impl true
  def play(stage) do
    Screen.say(
      "(the API holds back the answer to their own first list, so that it is the watches of the others that are measured)"
    )

    Enum.reduce(~w(127.0.0.5 127.0.0.6), stage, &come(&2, &1))
  end

  defp come(stage, pod) do
    FakeApiserver.faults(stage.server, [%{at: "request", verb: "list", do: "hang"}])
    stage = Stage.start_pods(stage, [pod])
    stage = Watch.until(stage, 20, "#{pod} lists", &is_map_key(Expect.lists_asked(&1), pod))
    stage = Expect.told(stage, [pod], "#{pod} and the others")
    FakeApiserver.no_faults(stage.server)
    Expect.watching(stage)
  end
end
