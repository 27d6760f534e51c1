defmodule LibclusterKubernetes.Test.FaultLines do
  @moduledoc "The lines that a topology logged of a fault: one when it starts, one when it ends, and what its scenario allows between."

  @doc "The kinds of error that were logged, and what is wrong with these lines."
  def check(scenario, lines) do
    %{kinds: kinds, changes: changes, notices: notices} = scenario
    {starts, lines} = Enum.split_with(lines, &match?({:warning, _}, tagged(&1, "Known members stay connected")))
    {others, lines} = Enum.split_with(lines, &match?({:warning, _}, tagged(&1, "still no answer, now: ")))
    {ends, lines} = Enum.split_with(lines, &match?({:info, _}, tagged(&1, "the Kubernetes API answers again")))

    rest =
      Enum.reject(lines, fn {_level, text} -> text =~ ~r/\A((connected to|disconnected from) :"|\S+ is gone: )/ end)

    logged = Enum.map(starts ++ others, fn {_level, text} -> kind(text) end)
    {least, most} = incidents(scenario)
    unfinished = unfinished(scenario)

    problems =
      [
        {length(starts) < least or length(starts) > most, "#{length(starts)} lines of a start"},
        {(length(starts) - length(ends)) not in unfinished,
         "#{length(starts)} lines of a start, #{length(ends)} of an end"},
        {length(others) > changes, "#{length(others)} changes of the reason instead of at most #{changes}"},
        {length(rest) > notices, "#{length(rest)} other lines instead of at most #{notices}"},
        {Enum.any?(logged, &(&1 not in kinds)), "logged #{inspect(logged)} instead of #{inspect(kinds)}"}
      ]
      |> Enum.filter(&elem(&1, 0))
      |> Enum.map(fn {_, text} -> text <> "\n" <> show(starts ++ others ++ ends ++ rest) end)

    {Enum.uniq(logged), problems}
  end

  # Failures without an end. Where they come and go, the last moment may begin what nothing has ended yet.
  defp unfinished(%{patience: :forever}), do: [1]
  defp unfinished(%{kinds: kinds, incidents: incidents}), do: if(nil in kinds or incidents != 1, do: [0, 1], else: [0])

  defp incidents(%{kinds: []}), do: {0, 0}
  defp incidents(%{kinds: kinds, incidents: incidents}), do: {if(nil in kinds, do: 0, else: 1), incidents}

  defp tagged({level, text}, words), do: if(text =~ words, do: {level, text}, else: nil)

  defp kind(text) do
    case Regex.run(~r/\(([a-z_]+)\)\z/, text) do
      [_, kind] -> String.to_existing_atom(kind)
      nil -> :none
    end
  end

  defp show(lines), do: Enum.map_join(lines, "\n", fn {level, text} -> "        #{level}: #{text}" end)
end
