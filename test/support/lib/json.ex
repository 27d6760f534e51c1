defmodule LibclusterKubernetes.Test.JSON do
  @moduledoc """
  Enough JSON to talk to the servers of the tests: this Elixir has none, and a dependency would need Hex.
  """

  @doc "Encodes maps, lists, strings, numbers, booleans and nil."
  def encode(map) when is_map(map) do
    "{" <> Enum.map_join(map, ",", fn {key, value} -> encode(to_string(key)) <> ":" <> encode(value) end) <> "}"
  end

  def encode(list) when is_list(list), do: "[" <> Enum.map_join(list, ",", &encode/1) <> "]"
  def encode(value) when is_boolean(value) or is_number(value), do: to_string(value)
  def encode(nil), do: "null"
  def encode(atom) when is_atom(atom), do: atom |> Atom.to_string() |> encode()

  def encode(text) when is_binary(text) do
    escaped =
      for <<char::utf8 <- text>>, into: "" do
        case char do
          ?" -> "\\\""
          ?\\ -> "\\\\"
          char when char < 0x20 -> "\\u" <> String.pad_leading(Integer.to_string(char, 16), 4, "0")
          char -> <<char::utf8>>
        end
      end

    "\"" <> escaped <> "\""
  end

  @doc "Decodes a document into maps, lists, strings, numbers, booleans and nil; raises on anything else."
  def decode!(text) do
    {value, rest} = value(skip(text))
    "" = skip(rest)
    value
  end

  defp value("{" <> rest), do: object(skip(rest), %{})
  defp value("[" <> rest), do: array(skip(rest), [])
  defp value("\"" <> rest), do: string(rest, [])
  defp value("true" <> rest), do: {true, rest}
  defp value("false" <> rest), do: {false, rest}
  defp value("null" <> rest), do: {nil, rest}

  defp value(text) do
    [number] = Regex.run(~r/\A-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?/, text, capture: :first)
    rest = binary_part(text, byte_size(number), byte_size(text) - byte_size(number))
    parsed = if number =~ ~r/[.eE]/, do: elem(Float.parse(number), 0), else: String.to_integer(number)
    {parsed, rest}
  end

  defp object("}" <> rest, map), do: {map, rest}
  defp object("," <> rest, map), do: object(skip(rest), map)

  defp object("\"" <> rest, map) do
    {key, rest} = string(rest, [])
    ":" <> rest = skip(rest)
    {value, rest} = value(skip(rest))
    object(skip(rest), Map.put(map, key, value))
  end

  defp array("]" <> rest, list), do: {Enum.reverse(list), rest}
  defp array("," <> rest, list), do: array(skip(rest), list)

  defp array(text, list) do
    {value, rest} = value(text)
    array(skip(rest), [value | list])
  end

  defp string("\"" <> rest, chars), do: {chars |> Enum.reverse() |> IO.iodata_to_binary(), rest}
  defp string("\\u" <> <<hex::binary-size(4), rest::binary>>, chars), do: string(rest, [utf16(hex) | chars])
  defp string("\\n" <> rest, chars), do: string(rest, ["\n" | chars])
  defp string("\\t" <> rest, chars), do: string(rest, ["\t" | chars])
  defp string("\\r" <> rest, chars), do: string(rest, ["\r" | chars])
  defp string("\\b" <> rest, chars), do: string(rest, ["\b" | chars])
  defp string("\\f" <> rest, chars), do: string(rest, ["\f" | chars])
  defp string("\\" <> <<char::utf8, rest::binary>>, chars), do: string(rest, [<<char::utf8>> | chars])
  defp string(<<char::utf8, rest::binary>>, chars), do: string(rest, [<<char::utf8>> | chars])

  # Pairs of surrogates do not occur in what the tests read.
  defp utf16(hex), do: <<String.to_integer(hex, 16)::utf8>>

  defp skip(<<char, rest::binary>>) when char in ~c" \t\r\n", do: skip(rest)
  defp skip(text), do: text
end
