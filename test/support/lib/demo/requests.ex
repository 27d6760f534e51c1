defmodule LibclusterKubernetes.Test.Demo.Requests do
  @moduledoc "What the API server was asked, by pod, from its journal. Each pod has a token of its own, which tells. Pure."

  alias LibclusterKubernetes.Test.Demo.Line

  @type counts :: %{Line.pod() => pos_integer()}

  @doc "The pod's token."
  @spec token(Line.pod()) :: String.t()
  def token(pod), do: "token-of-#{pod}"

  @doc "Whom it stands for."
  @spec user(Line.pod()) :: String.t()
  def user(pod), do: "pod #{pod}"

  @doc "How many lists each pod asked for; with a status, how many were answered with it."
  @spec lists([map()], 100..599 | nil) :: counts()
  def lists(journal, status \\ nil), do: count(journal, status, &(&1["watch"] != true))

  @doc "The same of watches."
  @spec watches([map()], 100..599 | nil) :: counts()
  def watches(journal, status \\ nil), do: count(journal, status, &(&1["watch"] == true))

  @doc "The same of both."
  @spec all([map()], 100..599 | nil) :: counts()
  def all(journal, status \\ nil), do: count(journal, status, fn _request -> true end)

  defp count(journal, status, chosen?) do
    journal
    |> Enum.filter(&(chosen?.(&1) and String.ends_with?(&1["path"], "/endpointslices")))
    |> Enum.filter(&(status == nil or &1["status"] == status))
    |> Enum.flat_map(&pod/1)
    |> Enum.frequencies()
  end

  defp pod(%{"user" => "pod " <> pod}), do: [pod]
  defp pod(_somebody_else), do: []
end
