defmodule LibclusterKubernetes.Strategy.Notices do
  @moduledoc false
  # What a user should know of an answer, said when it becomes true and not again while it stays so.

  @type key :: term()

  @doc "The texts to log now, and the keys of all that is true, to hand in next time."
  @spec new_ones(MapSet.t(key()), LibclusterKubernetes.Native.snapshot(), known_members :: boolean()) ::
          {[String.t()], MapSet.t(key())}
  def new_ones(said, snapshot, known_members?) do
    notices = dropped(snapshot) ++ Enum.map(snapshot.warnings, &{&1, &1}) ++ empty(snapshot, known_members?)
    texts = for {key, text} <- notices, key not in said, do: text
    {texts, MapSet.new(notices, &elem(&1, 0))}
  end

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

  defp empty(%{ready: [], not_ready: [_ | _] = not_ready}, _known_members?) do
    [
      {:none_ready,
       "#{length(not_ready)} found, but none of them is ready, so there is nobody to connect to yet. If they become " <>
         "ready only once they are clustered, set kubernetes_include_not_ready: true"}
    ]
  end

  defp empty(_snapshot, _known_members?), do: []
end
