defmodule LibclusterKubernetes.Manifests.Yaml do
  @moduledoc false
  # Writes YAML. A mapping is a list of `{key, value}` or `{key, value, comment}`, in its order, and a sequence a list of
  # anything else; neither is ever empty. What YAML could take for anything but a string is quoted.

  @type scalar :: String.t() | integer() | boolean()
  @type pair :: {String.t(), value()} | {String.t(), value(), comment :: String.t()}
  @type value :: scalar() | [pair(), ...] | [value(), ...]

  # Words that YAML 1.1, which Kubernetes reads, takes for booleans and null.
  @reserved ~w(y yes n no true false on off null)

  @doc "One document, which ends with a line feed."
  @spec document(value()) :: String.t()
  def document(value), do: value |> lines() |> Enum.map_join(&"#{&1}\n")

  defp lines([pair | _] = mapping) when is_tuple(pair), do: Enum.flat_map(mapping, &pair/1)

  # The first line of an item follows the dash.
  defp lines([_ | _] = sequence) do
    Enum.flat_map(sequence, fn item ->
      [first | rest] = lines(item)
      ["- #{first}" | indent(rest)]
    end)
  end

  defp lines(scalar), do: [scalar(scalar)]

  # On the line of its key, so that it is there however long the value is.
  defp pair({key, value, comment}) do
    [first | rest] = pair({key, value})
    ["#{first} # #{comment}" | rest]
  end

  defp pair({key, [item | _] = deeper}) when is_tuple(item) or is_list(item) do
    ["#{scalar(key)}:" | deeper |> lines() |> indent()]
  end

  defp pair({key, [_ | _] = scalars}), do: ["#{scalar(key)}: [#{Enum.map_join(scalars, ", ", &scalar/1)}]"]
  defp pair({key, scalar}), do: ["#{scalar(key)}: #{scalar(scalar)}"]

  defp indent(lines), do: Enum.map(lines, &"  #{&1}")

  defp scalar(value) when is_integer(value) or is_boolean(value), do: to_string(value)

  defp scalar(text) when is_binary(text) do
    if text =~ ~r/\A[A-Za-z_][A-Za-z0-9_.\/-]*\z/ and String.downcase(text) not in @reserved,
      do: text,
      else: ~s("#{escape(text)}")
  end

  defp escape(text) do
    for <<char::utf8 <- text>>, into: "" do
      case char do
        ?" -> ~S(\")
        ?\\ -> ~S(\\)
        ?\n -> ~S(\n)
        # Control characters, and what YAML counts among the line breaks and byte order marks.
        char when char < 0x20 or char in 0x7F..0x9F or char in [0x2028, 0x2029, 0xFEFF] -> "\\u" <> hex(char)
        char -> <<char::utf8>>
      end
    end
  end

  defp hex(char), do: char |> Integer.to_string(16) |> String.pad_leading(4, "0")
end
