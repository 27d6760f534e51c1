defmodule LibclusterKubernetes.Test.Demo.ByHand do
  @moduledoc "The cluster stays up, with lines to type for whoever wants to see for themselves."

  alias LibclusterKubernetes.Test.Demo.{Breakage, Files, Screen, Stage, Watch}

  @asked "127.0.0.2"
  @newcomer "127.0.0.8"

  @doc "Says what can be typed, and shows what the nodes say to it until standard input ends."
  @spec stay_up(Stage.t()) :: Stage.t()
  def stay_up(stage) do
    Screen.title("The cluster stays up until Ctrl-C: #{Enum.join(stage.running, " ")}")
    for line <- stage |> offers() |> String.split("\n"), do: Screen.say(line)
    Screen.title("What the nodes say")
    Watch.forever(%{stage | leaver: :anybody})
  catch
    {:stop, :interrupted, stage} -> stage
  end

  defp offers(stage) do
    Files.write_account(stage, @newcomer)
    Files.write_body(stage, "slice-with-8.json", Files.slice(stage.running ++ [@newcomer]))

    """
    In another terminal, first

      cd '#{stage.work}'

    and then each line as it is.

      # What a node knows, and why it is not connected
      #{ask(@asked, :info)}
      #{ask(@asked, :diagnose)}

    Break something, ask again, and mend it. A node logs the same failure once in a minute only:

    #{stage |> Breakage.all(@asked, List.last(stage.running)) |> Enum.map_join("\n", &breakage/1)}
    Pods that come and go:

      # One node more, which ends with Ctrl-C there. It joins those that it finds, though they do not find it yet
      ./pod #{@newcomer} start

      # Its pod is named, and named no more while it lives
      ./api PUT #{Files.slice_path()} @slice-with-8.json
      ./api PUT #{Files.slice_path()} @slice.json
    """
    |> String.trim_trailing()
  end

  defp breakage(breakage), do: "  # #{breakage.what}\n  #{breakage.break}\n  #{breakage.mend}\n"

  @doc "The line that asks a node for its `info`, for the table of `diagnose`, or for nothing but its cause."
  @spec ask(Stage.pod(), :info | :diagnose | :cause) :: String.t()
  def ask(pod, what), do: ~s(./pod #{pod} rpc "#{expression(what)}")

  defp expression(:info), do: "IO.inspect(LibclusterKubernetes.info(:hello_cluster))"
  defp expression(:diagnose), do: "IO.puts(LibclusterKubernetes.diagnose(:hello_cluster))"

  defp expression(:cause), do: "IO.puts(LibclusterKubernetes.diagnose(:hello_cluster).cause.found)"
end
