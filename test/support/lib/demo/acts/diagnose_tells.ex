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

    stage = broken(%{stage | leaver: victim}, cookie)
    stage = Watch.until(stage, 20, "#{victim} has left", &Cluster.mesh?(&1.cluster, &1.running -- [victim]))
    stage = diagnosed(stage, cookie, ByHand.ask(asked, :diagnose))
    stage = stage |> mended(cookie) |> Expect.mesh("all five")

    stage = Enum.reduce(others, %{stage | leaver: nil, by_hand?: true}, &show(&2, &1, asked))
    stage = stage |> Expect.watching() |> Expect.mesh("all five")
    %{stage | by_hand?: false}
  end

  defp show(stage, breakage, asked) do
    stage |> broken(breakage) |> diagnosed(breakage, ByHand.ask(asked, :cause)) |> mended(breakage)
  end

  defp broken(stage, breakage) do
    Screen.say(breakage.what)
    {stage, _answer} = Watch.type(stage, breakage.break)
    stage
  end

  defp diagnosed(stage, breakage, line) do
    {stage, text} = Watch.type(stage, line)
    Screen.typed(line, text)
    words = String.replace(text, ~r/\s+/, " ")

    for word <- [breakage.check, breakage.says], not String.contains?(words, word) do
      Watch.fail(stage, "diagnose does not say #{inspect(word)}")
    end

    stage
  end

  defp mended(stage, breakage) do
    {stage, _answer} = Watch.type(stage, breakage.mend)
    stage
  end
end
