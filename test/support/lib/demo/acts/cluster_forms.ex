defmodule LibclusterKubernetes.Test.Demo.Acts.ClusterForms do
  @moduledoc "Three nodes watch an EndpointSlice that names nobody. Then it names them, and they are a cluster."
  @behaviour LibclusterKubernetes.Test.Demo

  alias LibclusterKubernetes.Test.Demo.{Expect, Screen, Stage}

  @pods ~w(127.0.0.2 127.0.0.3 127.0.0.4)

  @impl true
  def title, do: "Three nodes form a cluster"

  @impl true
  def play(stage) do
    stage = Stage.name(stage, [])
    Screen.ok("API server #{stage.server.url} (fake), its EndpointSlice names no pod yet")
    stage |> Stage.start_pods(@pods) |> Expect.watching() |> Expect.told(@pods, "all three")
  end
end
