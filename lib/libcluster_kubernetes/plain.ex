defmodule LibclusterKubernetes.Plain do
  @moduledoc false
  # Structs as what every JSON encoder takes.

  @type t :: %{String.t() => t()} | [t()] | String.t() | number() | boolean() | nil

  @doc "Keys and atoms become strings, times ISO 8601, tuples lists; what has no form of its own is inspected."
  @spec new(term()) :: t()
  def new(value) when is_number(value) or is_boolean(value) or is_nil(value), do: value
  def new(atom) when is_atom(atom), do: atom |> inspect() |> String.trim_leading(":")
  def new(%DateTime{} = time), do: DateTime.to_iso8601(time)
  def new(%_{} = struct), do: struct |> Map.from_struct() |> new()
  def new(map) when is_map(map), do: Map.new(map, fn {key, value} -> {to_string(key), new(value)} end)
  def new(list) when is_list(list), do: Enum.map(list, &new/1)
  def new(tuple) when is_tuple(tuple), do: tuple |> Tuple.to_list() |> new()
  def new(value), do: if(is_binary(value) and String.valid?(value), do: value, else: inspect(value))
end
