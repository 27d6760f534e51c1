defmodule LibclusterKubernetes.Test.LogTexts do
  @moduledoc """
  What the code can say to a user, from its sources: the fixed parts of every text, without what is filled in. Texts
  are string literals of several words; what a module attribute holds is documentation or data.
  """

  @root Path.expand("../../..", __DIR__)

  # What only tests see, and what only `LibclusterKubernetes.diagnose/2` prints.
  @not_said ~r"((tests|fuzzing|testing|asking|probe|handshake)\.rs|/tests/.*)$"

  # They log, or what they make is logged.
  @texts ~w(incident notices options)

  @type text :: %{at: Path.t(), parts: [String.t()]}

  @doc "Of the modules that log, and of those whose texts they log."
  @spec elixir() :: [text()]
  def elixir do
    for path <- sources("lib/libcluster_kubernetes/*.ex") ++ sources("lib/libcluster_kubernetes/strategy/*.ex"),
        source = File.read!(path),
        source =~ "Logger." or Path.basename(path, ".ex") in @texts,
        parts <- source |> Code.string_to_quoted!() |> literals(),
        said = said(parts),
        said != [] do
      %{at: Path.relative_to(path, @root), parts: said}
    end
  end

  @doc "Of the native library, whose texts are logged by the process."
  @spec rust() :: [text()]
  def rust do
    for path <- sources("native/{discovery,nif}/src/**/*.rs"),
        not (path =~ @not_said),
        literal <- path |> File.read!() |> rust_literals(),
        said = said(Regex.split(~r/\{[^{}]*\}/, literal)),
        said != [] do
      %{at: Path.relative_to(path, @root), parts: said}
    end
  end

  defp sources(pattern), do: @root |> Path.join(pattern) |> Path.wildcard()

  defp said(parts) do
    for part <- parts, part = String.trim(part), length(String.split(part)) >= 3, do: part
  end

  defp literals(ast) do
    {_, found} = Macro.prewalk(ast, [], &literal/2)
    found
  end

  defp literal({:@, _, _}, found), do: {nil, found}
  defp literal({:<<>>, _, parts}, found), do: {nil, [Enum.filter(parts, &is_binary/1) | found]}
  defp literal(text, found) when is_binary(text), do: {text, [[text] | found]}
  defp literal(other, found), do: {other, found}

  # Up to the tests, without comments and attributes; a backslash at the end of a line joins it with the next.
  defp rust_literals(source) do
    source
    |> String.split("\n#[cfg(test)]\nmod tests")
    |> hd()
    |> String.replace(~r/^\s*(\/\/|#\[).*$|reason = "[^"]*"/m, "")
    |> then(&Regex.scan(~r/"((?:[^"\\]|\\.)*)"/s, &1, capture: :all_but_first))
    |> Enum.map(fn [literal] ->
      literal |> String.replace(~r/\\\n\s*/, "") |> String.replace("\\\"", "\"")
    end)
  end
end
