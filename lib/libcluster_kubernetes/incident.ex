defmodule LibclusterKubernetes.Incident do
  @moduledoc false
  # A failure from its first error to the answer that ends it, and what to log of it: when it starts, when its reason
  # changes and when it ends. Pure: `now` is monotonic milliseconds.
  #
  # Reasons can alternate with every try, and the words of a server can differ each time: what was said is said again
  # after a minute at the earliest, and so is more than a handful of reasons.

  @quiet 60_000
  @reasons 5

  @enforce_keys [:message, :since, :logged_at]
  defstruct [:message, :since, :logged_at, errors: 1, said: []]

  @type t :: %__MODULE__{
          message: String.t(),
          since: integer(),
          logged_at: integer(),
          errors: pos_integer(),
          said: [String.t()]
        }
  @type log :: {:warn | :info, String.t()} | nil
  @typedoc "How it ended: with a complete answer and what that changed, or with a watch that goes on."
  @type ending :: {:answer, came :: non_neg_integer(), gone :: non_neg_integer()} | :watching

  @spec failed(t() | nil, LibclusterKubernetes.Native.error(), integer()) :: {t(), log()}
  def failed(nil, error, now) do
    incident = %__MODULE__{message: error.message, since: now, logged_at: now, said: [error.message]}
    {incident, {:warn, "#{error.message}. Known members stay connected (#{error.kind})"}}
  end

  def failed(%{message: message} = incident, %{message: message}, _now), do: {count(incident), nil}

  def failed(incident, error, now) do
    incident = count(%{incident | message: error.message})
    known? = error.message in incident.said or length(incident.said) >= @reasons

    if known? and now - incident.logged_at < @quiet do
      {incident, nil}
    else
      said = [error.message | List.delete(incident.said, error.message)]
      incident = %{incident | logged_at: now, said: Enum.take(said, @reasons)}
      {incident, {:warn, "still no answer, now: #{error.message} (#{error.kind})"}}
    end
  end

  @spec ended(t() | nil, ending(), integer()) :: log()
  def ended(nil, _ending, _now), do: nil

  def ended(incident, ending, now) do
    {:info,
     "the Kubernetes API answers again, after #{seconds(now - incident.since)} s and #{incident.errors} errors: " <>
       missed(ending)}
  end

  defp count(incident), do: %{incident | errors: incident.errors + 1}

  defp missed(:watching), do: "the watch goes on from where it was, so that nothing is missed"
  defp missed({:answer, 0, 0}), do: "nobody has come or gone meanwhile"
  defp missed({:answer, came, gone}), do: "#{came} have come and #{gone} have gone meanwhile"

  defp seconds(milliseconds), do: Float.round(milliseconds / 1000, 1)
end
