defmodule LibclusterKubernetes.Strategy.Incident do
  @moduledoc false
  # Failures, each from its first error to the answer that ends it, and what to log of them: when one starts, when its
  # reason changes and when it ends. Pure: `now` is monotonic milliseconds.
  #
  # Reasons can alternate with every try, failures can come and go, and the words of a server can differ each time. So a
  # reason is said once in a minute, and no more than ten of them are; a failure of which nothing was said ends in
  # silence.
  #
  # What to do about it is said with it, but for a role that lacks a verb only when that lasts: an API server that is just
  # starting, and has not read its roles yet, refuses everybody for a moment.

  alias LibclusterKubernetes.Strategy.Sentences

  @likely 10_000
  @quiet 60_000
  @reasons 10

  defstruct since: nil, errors: 0, reason: nil, said?: false, said_at: %{}

  @type t :: %__MODULE__{
          # `nil` while nothing fails.
          since: integer() | nil,
          errors: non_neg_integer(),
          # The last reason, and whether anything was said of this failure.
          reason: String.t() | nil,
          said?: boolean(),
          # What was said within the last minute, of this failure or of those before it.
          said_at: %{String.t() => integer()}
        }
  @type log :: {:warn | :info, String.t()} | nil
  @typedoc "How it ended: with a complete answer and what that changed, or with a watch that goes on."
  @type ending :: {:answer, came :: non_neg_integer(), gone :: non_neg_integer()} | :watching

  @spec new() :: t()
  def new, do: %__MODULE__{}

  @spec lasts?(t()) :: boolean()
  def lasts?(incident), do: incident.since != nil

  @spec failed(t(), LibclusterKubernetes.Native.error(), integer()) :: {t(), log()}
  def failed(%{since: nil} = incident, error, now), do: failed(%{incident | since: now}, error, now)

  def failed(incident, error, now) do
    reason = reason(error, now - incident.since)
    news? = not incident.said? or reason != incident.reason
    said_at = incident.said_at |> Enum.reject(fn {_, at} -> now - at >= @quiet end) |> Map.new()
    say? = news? and not is_map_key(said_at, reason) and map_size(said_at) < @reasons
    failed = %{incident | errors: incident.errors + 1, reason: reason, said_at: said_at}

    if say?,
      do:
        {%{failed | said?: true, said_at: Map.put(said_at, reason, now)}, {:warn, text(incident, reason, error.kind)}},
      else: {failed, nil}
  end

  @spec ended(t(), ending(), integer()) :: {t(), log()}
  def ended(%{since: nil} = incident, _ending, _now), do: {incident, nil}

  def ended(incident, ending, now) do
    log =
      if incident.said? do
        {:info,
         "the Kubernetes API answers again, after #{seconds(now - incident.since)} s and #{incident.errors} errors: " <>
           missed(ending)}
      end

    {%__MODULE__{said_at: incident.said_at}, log}
  end

  defp reason(%{advice: nil} = error, _lasted), do: error.message
  defp reason(%{kind: :forbidden} = error, lasted) when lasted < @likely, do: error.message
  defp reason(error, _lasted), do: Sentences.join(error.message, error.advice)

  defp text(%{said?: false}, reason, kind), do: Sentences.join(reason, "Known members stay connected (#{kind})")
  defp text(_incident, reason, kind), do: "still no answer, now: #{reason} (#{kind})"

  defp missed(:watching), do: "the watch goes on from where it was, so that nothing is missed"
  defp missed({:answer, 0, 0}), do: "nobody came or went meanwhile"
  defp missed({:answer, came, gone}), do: "#{came} came and #{gone} went meanwhile"

  defp seconds(milliseconds), do: Float.round(milliseconds / 1000, 1)
end
