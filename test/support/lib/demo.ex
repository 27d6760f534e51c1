defmodule LibclusterKubernetes.Test.Demo do
  @moduledoc """
  The story that `bin/demo` tells, once it has built the release of `examples/hello_cluster`: acts, each in a file of its
  own, one after the other on the same `Stage`.

  An act does something to the pods or to the API server, and waits until the nodes say what should come of it. Where
  that does not come in time, or a node says that it lost a link that it should have kept, the demo has failed.
  """

  alias LibclusterKubernetes.Test.Demo.{Acts, ByHand, Screen, Stage, Summary, Watch}

  @doc "What happens in the act, in a sentence."
  @callback title() :: String.t()

  @doc "Plays the act; ends with `Watch.fail/2` where the nodes do not say what it is about."
  @callback play(Stage.t()) :: Stage.t()

  @acts [
    Acts.ClusterForms,
    Acts.PodsCome,
    Acts.PodLetGo,
    Acts.ApiGone,
    Acts.ApiForbids,
    Acts.ApiBack,
    Acts.InfoTells,
    Acts.DiagnoseTells
  ]

  # What a shell says of a command that Ctrl-C ended.
  @interrupted 130

  @doc """
  Plays all acts, and ends the VM: with 0 where all was as it should be, with 1 where not, with 130 where standard input
  ended before.

  The arguments are the folder to work in, which has the release in `release`; the distribution port of the nodes, or
  `""`; `"keep"`, to stay up until standard input ends, or `""`; and `"yes"` for colours, or `""`.
  """
  @spec main([String.t()]) :: no_return()
  def main([work, port, ending, colours]) do
    Application.put_env(:elixir, :ansi_enabled, colours == "yes")
    {:ok, _} = Application.ensure_all_started(:inets)
    {status, stage} = work |> Stage.new(port) |> play(ending)
    Stage.close(stage)
    if status == 1, do: Screen.last_lines(stage.pods, stage.cluster)
    System.halt(status)
  end

  defp play(stage, ending) do
    stage = @acts |> Enum.with_index(1) |> Enum.reduce(Stage.open(stage), &act/2) |> Summary.say()
    {0, if(ending == "keep", do: ByHand.stay_up(stage), else: stage)}
  catch
    {:stop, {:failed, text}, stage} ->
      Screen.failed(text)
      {1, stage}

    {:stop, :interrupted, stage} ->
      Screen.say("interrupted")
      {@interrupted, stage}
  end

  defp act({act, number}, stage) do
    Screen.title("#{number}. #{act.title()}")
    act.play(stage)
  rescue
    # A mistake of ours, or of the fake API server: with its trace, and after it the nodes end in order.
    error -> Watch.fail(stage, Exception.format(:error, error, __STACKTRACE__))
  end
end
