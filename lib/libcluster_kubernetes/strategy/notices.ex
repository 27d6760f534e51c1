defmodule LibclusterKubernetes.Strategy.Notices do
  @moduledoc false
  # What a user should know of an answer, said when it becomes true and not again while it stays so. What is true of every
  # first start for a moment is said when that has lasted. Pure: `now` is monotonic milliseconds.

  @start 15_000

  # What is true and was said, and what is to be said when it stays true: the text, and when.
  defstruct said: MapSet.new(), doubtful: %{}

  @type key :: term()
  @type t :: %__MODULE__{said: MapSet.t(key()), doubtful: %{key() => {String.t(), integer()}}}

  @spec new() :: t()
  def new, do: %__MODULE__{}

  @doc "Takes in an answer; the texts to log now."
  @spec heard(t(), LibclusterKubernetes.Native.snapshot(), known_members :: boolean(), integer()) :: {[String.t()], t()}
  def heard(%{said: said} = notices, snapshot, known_members?, now) do
    certain = dropped(snapshot) ++ Enum.map(snapshot.warnings, &{&1, &1}) ++ empty(snapshot, known_members?)
    texts = for {key, text} <- certain, key not in said, do: text
    doubtful = none_ready(snapshot)
    still_said = for {key, _text} <- doubtful, key in said, do: key
    due = for {key, text} <- doubtful, key not in said, into: %{}, do: {key, {text, since(notices, key, now)}}
    {later, notices} = due(%{notices | said: MapSet.new(still_said), doubtful: due}, now)
    {texts ++ later, %{notices | said: MapSet.union(notices.said, MapSet.new(certain, &elem(&1, 0)))}}
  end

  @doc "The texts of what has been true for long enough by now."
  @spec due(t(), integer()) :: {[String.t()], t()}
  def due(%{doubtful: doubtful} = notices, _now) when doubtful == %{}, do: {[], notices}

  def due(notices, now) do
    {due, doubtful} = Enum.split_with(notices.doubtful, fn {_key, {_text, since}} -> now - since >= @start end)
    said = for {key, _} <- due, into: notices.said, do: key
    {for({_key, {text, _since}} <- due, do: text), %{notices | said: said, doubtful: Map.new(doubtful)}}
  end

  defp since(%{doubtful: doubtful}, key, now), do: elem(Map.get(doubtful, key, {nil, now}), 1)

  defp dropped(snapshot) do
    for %{reason: reason, count: count, example: example} <- snapshot.dropped do
      {{:dropped, reason}, "#{count} of the addresses found cannot be named: #{reason} (for example: #{example})"}
    end
  end

  defp empty(%{ready: [], not_ready: [], draining: []}, true) do
    [
      {:empty,
       "the answer is empty, though members are known: most often the labels have changed and " <>
         "kubernetes_selector no longer matches. They stay connected, for kubernetes_disconnect_after at least"}
    ]
  end

  defp empty(%{ready: [], not_ready: [], draining: []}, false) do
    [{:empty, "nothing matches kubernetes_selector in this namespace"}]
  end

  defp empty(_snapshot, _known_members?), do: []

  defp none_ready(%{ready: [], not_ready: [_ | _] = not_ready}) do
    [
      {:none_ready,
       "#{length(not_ready)} found, but none of them is ready, so there is nobody to connect to yet. If they become " <>
         "ready only once they are clustered, set kubernetes_include_not_ready: true"}
    ]
  end

  defp none_ready(_snapshot), do: []
end
