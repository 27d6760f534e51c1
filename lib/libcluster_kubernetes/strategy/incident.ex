defmodule LibclusterKubernetes.Strategy.Incident do
  @moduledoc false
  # Failures, each from its first error to the answer that ends it, and what to log of them: when one starts, when its
  # reason changes and when it ends. Pure: `now` is monotonic milliseconds.
  #
  # Reasons can alternate with every try, failures can come and go, and the words of a server can differ each time. So a
  # reason is said once in a minute, and no more than ten of them are; a failure of which nothing was said ends in
  # silence.

  @quiet 60_000
  @reasons 10

  defstruct since: nil, errors: 0, message: nil, said?: false, said_at: %{}

  @type t :: %__MODULE__{
          # `nil` while nothing fails.
          since: integer() | nil,
          errors: non_neg_integer(),
          # The last reason, and whether anything was said of this failure.
          message: String.t() | nil,
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
    news? = not incident.said? or error.message != incident.message
    said_at = incident.said_at |> Enum.reject(fn {_, at} -> now - at >= @quiet end) |> Map.new()
    say? = news? and not is_map_key(said_at, error.message) and map_size(said_at) < @reasons
    failed = %{incident | errors: incident.errors + 1, message: error.message, said_at: said_at}

    if say?,
      do: {%{failed | said?: true, said_at: Map.put(said_at, error.message, now)}, {:warn, text(incident, error)}},
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

  defp text(%{said?: false}, error), do: "#{error.message}. Known members stay connected (#{error.kind})"
  defp text(_incident, error), do: "still no answer, now: #{error.message} (#{error.kind})"

  defp missed(:watching), do: "the watch goes on from where it was, so that nothing is missed"
  defp missed({:answer, 0, 0}), do: "nobody came or went meanwhile"
  defp missed({:answer, came, gone}), do: "#{came} came and #{gone} went meanwhile"

  defp seconds(milliseconds), do: Float.round(milliseconds / 1000, 1)
end
