defmodule LibclusterKubernetes.Test.Demo.Acts.DiagnoseTells do
  @moduledoc "What is broken on purpose `diagnose` names, each time; mended, all is as it was."
  @behaviour LibclusterKubernetes.Test.Demo

  alias LibclusterKubernetes.Test.Demo.{Breakage, ByHand, Cluster, Expect, Screen, Watch}

  @impl true
  def title, do: "Broken on purpose: diagnose says what, and what to do"

  @impl true
  def play(stage) do
    [asked | _] = stage.running
    victim = List.last(stage.running)
    [cookie | others] = Breakage.all(stage, asked, victim)

    stage = typed(%{stage | leaver: victim}, cookie.what, cookie.break)
    stage = Watch.until(stage, 20, "#{victim} has left", &Cluster.mesh?(&1.cluster, &1.running -- [victim]))
    stage = stage |> diagnosed(cookie, ByHand.ask(asked, :diagnose)) |> mended(cookie)

    # None of the others costs a link.
    others |> Enum.reduce(%{stage | leaver: nil}, &shown(&2, &1, asked)) |> Expect.watching()
  end

  defp shown(stage, breakage, asked) do
    stage |> typed(breakage.what, breakage.break) |> diagnosed(breakage, ByHand.ask(asked, :cause)) |> mended(breakage)
  end

  defp mended(stage, breakage), do: stage |> typed("It is mended", breakage.mend) |> Expect.mesh("all five")

  defp typed(stage, what, line) do
    Screen.say(what)
    Screen.typed(line)
    {stage, _answer} = Watch.type(stage, line)
    stage
  end

  defp diagnosed(stage, breakage, line) do
    {stage, text} = Watch.type(stage, line)
    Screen.typed(line, text)
    # It may be broken between two lines.
    words = String.replace(text, ~r/\s+/, " ")
    unless words =~ breakage.says, do: Watch.fail(stage, "diagnose does not say #{inspect(breakage.says)}")
    stage
  end
end
