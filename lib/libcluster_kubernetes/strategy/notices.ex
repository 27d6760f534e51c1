defmodule LibclusterKubernetes.Strategy.Notices do
  @moduledoc false
  # What a user should know of an answer, said when it becomes true and not again while it stays so.

  alias LibclusterKubernetes.Strategy.Membership

  @type key :: term()

  @doc """
  The texts to log now, and the keys of all that is true, to hand in next time. `answer` is a snapshot or what has changed,
  `counts` are of all that is known then, and `known_members?` is whether anybody was known before.
  """
  @spec new_ones(MapSet.t(key()), LibclusterKubernetes.Native.snapshot(), Membership.counts(), boolean()) ::
          {[String.t()], MapSet.t(key())}
  def new_ones(said, answer, counts, known_members?) do
    notices = dropped(answer) ++ Enum.map(answer.warnings, &{&1, &1}) ++ empty(counts, known_members?)
    texts = for {key, text} <- notices, key not in said, do: text
    {texts, MapSet.new(notices, &elem(&1, 0))}
  end

  defp dropped(snapshot) do
    for %{reason: reason, count: count, example: example} <- snapshot.dropped do
      {{:dropped, reason}, "#{count} of the addresses found cannot be named: #{reason} (for example: #{example})"}
    end
  end

  defp empty(%{ready: 0, not_ready: 0, draining: 0}, true) do
    [
      {:empty,
       "the answer is empty, though members are known: most often the labels have changed and " <>
         "kubernetes_selector no longer matches. They stay connected, for kubernetes_disconnect_after at least"}
    ]
  end

  defp empty(%{ready: 0, not_ready: 0, draining: 0}, false) do
    [{:empty, "nothing matches kubernetes_selector in this namespace"}]
  end

  defp empty(%{ready: 0, not_ready: not_ready}, _known_members?) when not_ready > 0 do
    [
      {:none_ready,
       "#{not_ready} found, but none of them is ready, so there is nobody to connect to yet. If they become " <>
         "ready only once they are clustered, set kubernetes_include_not_ready: true"}
    ]
  end

  defp empty(_counts, _known_members?), do: []
end
