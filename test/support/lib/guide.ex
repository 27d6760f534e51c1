defmodule LibclusterKubernetes.Test.Guide do
  @moduledoc """
  The guides as tests see them: their fenced blocks, by language.

  A block of `yaml` is whole objects, `elixir` compiles, `diff` is an edit of a file, and a `sh` block that begins with
  `#!/bin/sh` is a `rel/env.sh.eex`. Other languages are free.
  """

  alias LibclusterKubernetes.Test.YAML

  @root Path.expand("../../..", __DIR__)

  @type block :: %{language: String.t(), text: String.t(), at: String.t(), heading: String.t()}

  @doc "The README and every guide, by their path in the repository."
  @spec all() :: [Path.t()]
  def all,
    do: ["README.md" | @root |> Path.join("guides/*.md") |> Path.wildcard() |> Enum.map(&Path.relative_to(&1, @root))]

  @spec read!(Path.t()) :: String.t()
  def read!(path), do: @root |> Path.join(path) |> File.read!()

  @doc "Its blocks in one language, in their order, each with where it is and the heading above it."
  @spec blocks(Path.t(), String.t()) :: [block()]
  def blocks(path, language) do
    lines = path |> read!() |> String.split("\n") |> Enum.with_index(1)

    lines
    |> Enum.reduce({[], nil, ""}, fn {line, number}, {blocks, open, heading} ->
      fence = Regex.run(~r/\A( *)```([a-z]*)\z/, line)

      case {open, fence} do
        {nil, [_, indent, language]} ->
          open = %{language: language, text: "", at: "#{path}:#{number + 1}", heading: heading, indent: indent}
          {blocks, open, heading}

        {nil, nil} ->
          {blocks, nil, if(line =~ ~r/\A#+ /, do: String.trim_leading(line, "#") |> String.trim(), else: heading)}

        {open, [_, _, ""]} ->
          {[Map.delete(open, :indent) | blocks], nil, heading}

        {open, nil} ->
          {blocks, %{open | text: open.text <> String.replace_prefix(line, open.indent, "") <> "\n"}, heading}
      end
    end)
    |> then(fn {blocks, nil, _heading} -> Enum.reverse(blocks) end)
    |> Enum.filter(&(&1.language == language))
  end

  @doc "The objects of all manifests in a guide, with their text and where they are."
  @spec objects(Path.t()) :: [%{object: map(), text: String.t(), at: String.t(), heading: String.t()}]
  def objects(path) do
    for block <- blocks(path, "yaml"), {object, text} <- YAML.documents!(block.text) do
      %{object: object, text: text, at: block.at, heading: block.heading}
    end
  end
end
