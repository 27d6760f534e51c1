defmodule LibclusterKubernetes.Strategy.Sentences do
  @moduledoc false
  # Texts of others, errors and advice, one after the other.

  @doc "A full stop between them, unless the first has an end of its own, as a question has."
  @spec join(String.t(), String.t()) :: String.t()
  def join(first, next) do
    stop = if String.ends_with?(first, [".", "?", "!", "…"]), do: "", else: "."
    "#{first}#{stop} #{next}"
  end
end
