defmodule LibclusterKubernetes.Options.Type do
  @moduledoc false
  # What an option accepts, and how that is said.

  alias LibclusterKubernetes.Options.Server

  @type t ::
          {:in, [atom()]}
          | {:name, pattern :: String.t(), description :: String.t()}
          | {:text, example :: String.t(), hint :: String.t()}
          | {:label, t()}
          | {:either, t(), t()}
          | {:integer, least :: integer()}
          | {:integer_or, least :: integer(), atom()}
          | :domain
          | :server
          | :path
          | :boolean

  @doc "The value as it is from now on, if it is accepted."
  @spec cast(t(), term()) :: {:ok, term()} | :error
  def cast(type, value) do
    value = normalize(type, value)
    if valid?(type, value), do: {:ok, value}, else: :error
  end

  defp normalize({:either, one, other}, value) do
    if valid?(other, normalize(other, value)), do: normalize(other, value), else: normalize(one, value)
  end

  defp normalize({:label, type}, {:label, key}), do: {:label, normalize(type, key)}

  defp normalize(type, value) when type in [:domain, :server, :path] or elem(type, 0) in [:name, :text],
    do: to_text(value)

  # As System.get_env/1 gives them. libcluster takes whatever is not nil or false for true.
  defp normalize(:boolean, "true"), do: true
  defp normalize(:boolean, "false"), do: false

  defp normalize(_type, value), do: value

  # libcluster interpolates names, so that atoms and charlists work there as well.
  defp to_text(value) when is_atom(value) and value not in [nil, true, false], do: Atom.to_string(value)

  defp to_text(value) when is_list(value),
    do: if(:io_lib.printable_unicode_list(value), do: to_string(value), else: value)

  defp to_text(value), do: value

  defp valid?({:in, accepted}, value), do: value in accepted
  defp valid?({:either, one, other}, value), do: valid?(one, value) or valid?(other, value)
  defp valid?({:label, type}, {:label, key}), do: valid?(type, key)
  defp valid?({:label, _type}, _value), do: false
  defp valid?({:name, pattern, _}, value), do: is_binary(value) and Regex.match?(Regex.compile!(pattern), value)
  defp valid?({:text, _, _}, value), do: is_binary(value) and String.printable?(value) and String.trim(value) != ""
  defp valid?(:domain, value), do: is_binary(value) and Server.name?(value)
  defp valid?(:server, value), do: is_binary(value) and Server.valid?(value)

  defp valid?(:path, value),
    do: is_binary(value) and String.valid?(value) and value != "" and not String.contains?(value, <<0>>)

  defp valid?(:boolean, value), do: is_boolean(value)
  defp valid?({:integer, least}, value), do: is_integer(value) and value >= least and value <= 0xFFFFFFFF
  defp valid?({:integer_or, least, atom}, value), do: value == atom or valid?({:integer, least}, value)

  @doc "What is accepted, in words."
  @spec accepted(t()) :: String.t()
  def accepted({:in, [accepted]}), do: inspect(accepted)
  def accepted({:in, accepted}), do: "one of #{Enum.map_join(accepted, ", ", &inspect/1)}"
  def accepted({:either, one, other}), do: "#{accepted(one)}; or #{accepted(other)}"
  def accepted({:label, {:name, _, description}}), do: "{:label, KEY} with #{description}"
  def accepted({:name, _, description}), do: "a string: #{description}"
  def accepted({:text, example, hint}), do: "a string such as #{inspect(example)}; #{hint}"
  def accepted(:domain), do: "a string: a DNS name, or a part of one"

  def accepted(:server),
    do: "a string: a host name, an IP address, or https://host[:port][/path] with a port up to 65535"

  def accepted(:path), do: "a string: the path of a folder"
  def accepted(:boolean), do: "true or false"
  def accepted({:integer, least}), do: "an integer of milliseconds, at least #{least}"
  def accepted({:integer_or, least, atom}), do: "#{accepted({:integer, least})}, or #{inspect(atom)}"
end
