defmodule LibclusterKubernetes.Test.YAML do
  @moduledoc """
  Reads the YAML that our manifests are written in, and raises on anything else: block mappings and sequences, flow
  sequences and mappings on one line, plain and quoted scalars, literal blocks and comments. A plain scalar that YAML
  1.1 and 1.2 read differently, such as `yes`, is refused.
  """

  @doc "Each document: maps with string keys, lists, strings, integers, booleans and nil; and its text."
  @spec documents!(String.t()) :: [{term(), String.t()}]
  def documents!(text) do
    for part <- Regex.split(~r/^---$/m, text), (lines = lines(part)) != [] do
      {value, []} = block(lines, 0)
      {value, part}
    end
  end

  # {indentation, text} of each line. Blank lines and comments are left out, those of a literal block, too.
  defp lines(text) do
    text
    |> String.split("\n")
    |> Enum.map(&{byte_size(&1) - byte_size(String.trim_leading(&1, " ")), String.trim(&1, " ")})
    |> Enum.reject(fn {_, line} -> line == "" or String.starts_with?(line, "#") end)
  end

  defp block([{indent, "- " <> _} | _] = lines, least) when indent >= least, do: sequence(lines, indent, [])
  defp block([{indent, _} | _] = lines, least) when indent >= least, do: mapping(lines, indent, %{})

  defp sequence([{indent, "- " <> item} | rest], indent, items) do
    trimmed = String.trim_leading(item, " ")
    within = indent + 2 + byte_size(item) - byte_size(trimmed)

    {value, rest} =
      if pair(trimmed), do: mapping([{within, trimmed} | rest], within, %{}), else: {inline(trimmed), rest}

    sequence(rest, indent, [value | items])
  end

  defp sequence(rest, indent, items) do
    ends!(rest, indent)
    {Enum.reverse(items), rest}
  end

  defp mapping([{indent, line} | rest], indent, map) do
    {key, value} = pair(line) || raise "neither key nor item: #{line}"
    if is_map_key(map, key), do: raise("the key #{key} is there twice")
    {value, rest} = value(value, rest, indent)
    mapping(rest, indent, Map.put(map, key, value))
  end

  defp mapping(rest, indent, map) do
    ends!(rest, indent)
    {map, rest}
  end

  defp ends!([{indent, line} | _], open) when indent > open, do: raise("indented too far: #{line}")
  defp ends!(_rest, _open), do: :ok

  # Below a key, a sequence may be as far to the left as the key.
  defp value("", [{indent, "- " <> _} | _] = rest, indent), do: sequence(rest, indent, [])
  defp value("", rest, indent), do: block(rest, indent + 1)

  defp value("|", rest, indent) do
    {literal, rest} = Enum.split_while(rest, fn {deeper, _} -> deeper > indent end)
    [{first, _} | _] = literal
    {Enum.map_join(literal, fn {deeper, line} -> String.duplicate(" ", deeper - first) <> line <> "\n" end), rest}
  end

  defp value(text, rest, _indent), do: {inline(text), rest}

  # Keys are plain, or quoted without an escape.
  defp pair(line) do
    case Regex.run(~r/\A(?:([A-Za-z_][A-Za-z0-9_.\/-]*)|"([^"\\]+)"):(?: +(.*))?\z/, line) do
      [_, plain] -> {plain, ""}
      [_, "", quoted] -> {quoted, ""}
      [_, plain, "", value] -> {plain, comment_off(value)}
      [_, "", quoted, value] -> {quoted, comment_off(value)}
      nil -> nil
    end
  end

  defp comment_off("#" <> _), do: ""
  defp comment_off(value), do: value

  defp inline(text) do
    {value, rest} = flow(text)

    unless rest =~ ~r/\A *(#.*)?\z/, do: raise("something follows the value: #{text}")
    value
  end

  defp flow("[" <> rest), do: rest |> skip() |> items([])
  defp flow("{" <> rest), do: rest |> skip() |> pairs(%{})

  defp flow("\"" <> _ = text) do
    [quoted] = Regex.run(~r/\A"(?:[^"\\]|\\["\\n]|\\u[0-9A-F]{4})*"/, text)
    unescaped = quoted |> binary_part(1, byte_size(quoted) - 2) |> unescape()
    {unescaped, after_part(text, quoted)}
  end

  defp flow("'" <> _ = text) do
    [quoted, content] = Regex.run(~r/\A'([^']*)'/, text)
    {content, after_part(text, quoted)}
  end

  defp flow(text) do
    [plain] = Regex.run(~r/\A[A-Za-z0-9_.\/$(-](?:[^,\[\]{}#:"']|:(?=\S))*/, text)
    {plain |> String.trim() |> plain!(), after_part(text, plain)}
  end

  defp items("]" <> rest, items), do: {Enum.reverse(items), rest}
  defp items("," <> rest, items), do: rest |> skip() |> items(items)

  defp items(text, items) do
    {value, rest} = flow(text)
    rest |> skip() |> items([value | items])
  end

  defp pairs("}" <> rest, map), do: {map, rest}
  defp pairs("," <> rest, map), do: rest |> skip() |> pairs(map)

  defp pairs(text, map) do
    [all, key] = Regex.run(~r/\A([A-Za-z0-9_.\/-]+): +/, text)
    {value, rest} = text |> after_part(all) |> flow()
    rest |> skip() |> pairs(Map.put(map, key, value))
  end

  defp plain!(text) do
    cond do
      text in ["true", "false"] -> text == "true"
      text in ["null", "~"] -> nil
      text =~ ~r/\A(0|-?[1-9][0-9]*)\z/ -> String.to_integer(text)
      ambiguous?(text) -> raise "YAML 1.1 and 1.2 read this differently, quote it: #{text}"
      true -> text
    end
  end

  defp ambiguous?(text) do
    String.downcase(text) in ~w(y yes n no on off true false null) or text =~ ~r/\A[-+.]?[0-9][0-9_.:xeE+-]*\z/
  end

  defp unescape(text) do
    Regex.replace(~r/\\(?:u([0-9A-F]{4})|(.))/, text, fn
      _, hex, "" -> <<String.to_integer(hex, 16)::utf8>>
      _, "", "n" -> "\n"
      _, "", char -> char
    end)
  end

  defp after_part(text, part), do: binary_part(text, byte_size(part), byte_size(text) - byte_size(part))

  defp skip(text), do: String.trim_leading(text, " ")
end
