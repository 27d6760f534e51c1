defmodule LibclusterKubernetes.NewerElixirTest do
  # What this machine's Elixir takes, and a newer one warns of or formats otherwise. bin/test-matrix sees it all, but seldom runs.
  use ExUnit.Case, async: true

  for root <- ~w(lib test bench/lib examples/hello_cluster/lib examples/hello_cluster/test),
      path <- Path.wildcard(root <> "/**/*.{ex,exs}"),
      not (path =~ "/_build/") do
    @path path
    test path do
      text = File.read!(@path)
      refute text =~ "(() " <> "->", "a function without arguments in a type: write (... -> type)"
      keep = fn literal, meta -> {:ok, {:__block__, meta, [literal]}} end
      quoted = Code.string_to_quoted!(text, literal_encoder: keep, token_metadata: true, emit_warnings: false)
      Macro.prewalk(quoted, &refute_size/1)
      Macro.prewalk(quoted, &refute_charlist/1)
    end
  end

  # Elixir 1.20 wants the pin operator there, which 1.14 does not take.
  defp refute_size({:<<>>, _, segments} = quoted) do
    bound = for {:"::", _, [{name, _, nil}, _]} <- segments, do: name

    for {:"::", _, [_, type]} <- segments, {:size, meta, [{name, _, nil}]} <- Macro.prewalker(type) do
      assert name in bound, "line #{meta[:line]}: size(#{name}) of a variable from outside of the match"
    end

    quoted
  end

  defp refute_size(quoted), do: quoted

  defp refute_charlist({_, meta, args} = quoted) when is_list(meta) and is_list(args) do
    refute meta[:delimiter] == "'", ~s(line #{meta[:line]}: a charlist in single quotes: write ~c"")
    quoted
  end

  defp refute_charlist(quoted), do: quoted
end
