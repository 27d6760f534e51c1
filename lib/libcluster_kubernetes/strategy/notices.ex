defmodule LibclusterKubernetes.Strategy.Notices do
  @moduledoc false
  # What a user should know of an answer, said when it becomes true and not again while it stays so. What is true of every
  # first start for a moment is said when that has lasted. Pure: `now` is monotonic milliseconds.

  alias LibclusterKubernetes.{Native, Options}
  alias LibclusterKubernetes.Options.Source
  alias LibclusterKubernetes.Strategy.Membership

  @start 15_000

  # What is true and was said, and what is to be said when it stays true: the text, and since when it is true.
  defstruct said: MapSet.new(), doubtful: %{}

  @type key :: term()
  @type t :: %__MODULE__{said: MapSet.t(key()), doubtful: %{key() => {String.t(), integer()}}}

  @spec new() :: t()
  def new, do: %__MODULE__{}

  @doc """
  The texts to log now. `answer` is a snapshot or what has changed, `counts` are of all that is known then, and
  `known_members?` is whether anybody was known before.
  """
  @spec heard(t(), Native.snapshot(), Membership.counts(), boolean(), Options.t(), integer()) :: {[String.t()], t()}
  def heard(%{said: said} = notices, answer, counts, known_members?, options, now) do
    certain = dropped(answer) ++ Enum.map(answer.warnings, &{&1, &1}) ++ emptied(counts, known_members?)
    texts = for {key, text} <- certain, key not in said, do: text
    doubtful = nobody(answer, counts, known_members?, options) ++ none_ready(counts)
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

  defp emptied(%{ready: 0, not_ready: 0, draining: 0}, true) do
    [
      {:empty,
       "the answer is empty, though members are known: most often the labels have changed and " <>
         "kubernetes_selector no longer matches. They stay connected, unless kubernetes_disconnect_after is 0"}
    ]
  end

  defp emptied(_counts, _known_members?), do: []

  # Of what was dropped the reason is said.
  defp nobody(%{dropped: []}, %{ready: 0, not_ready: 0, draining: 0}, false, options) do
    %{kubernetes_ip_lookup_mode: source} = values = options.values

    [
      {:empty,
       "nobody is found: no #{Source.resource(source)} #{where(values.kubernetes_namespace)} match #{selectors(values)}, or " <>
         "#{without_address(source)}. LibclusterKubernetes.diagnose(#{inspect(options.topology)}) says which, and what there is"}
    ]
  end

  defp nobody(_answer, _counts, _known_members?, _options), do: []

  # Nobody here has read the file of the service account that names it.
  defp where(nil), do: "in the namespace of this pod"
  defp where(:all), do: "in any namespace"
  defp where(namespace), do: "in namespace #{inspect(namespace)}"

  defp selectors(values) do
    for(
      option <- [:kubernetes_selector, :kubernetes_field_selector],
      value = Map.fetch!(values, option),
      do: "#{option} #{inspect(value)}"
    )
    |> Enum.join(" and ")
  end

  defp without_address(:pods), do: "those that do have no address yet"
  defp without_address(_source), do: "the spec.selector of the Service that those are of matches no pod"

  defp none_ready(%{ready: 0, not_ready: not_ready}) when not_ready > 0 do
    [
      {:none_ready,
       "#{not_ready} found, but none of them is ready, so there is nobody to connect to yet. If they become " <>
         "ready only once they are clustered, set kubernetes_include_not_ready: true"}
    ]
  end

  defp none_ready(_counts), do: []
end
