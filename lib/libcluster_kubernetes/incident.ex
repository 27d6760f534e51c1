defmodule LibclusterKubernetes.Incident do
  @moduledoc false
  # A failure from its first error to the answer that ends it, and what to log of it: when it starts, when its reason
  # changes and when it ends. Pure: `now` is monotonic milliseconds.

  @enforce_keys [:message, :since, :errors]
  defstruct [:message, :since, :errors]

  @type t :: %__MODULE__{message: String.t(), since: integer(), errors: pos_integer()}
  @type log :: {:warn | :info, String.t()} | nil

  @spec failed(t() | nil, LibclusterKubernetes.Native.error(), integer()) :: {t(), log()}
  def failed(nil, error, now) do
    incident = %__MODULE__{message: error.message, since: now, errors: 1}
    {incident, {:warn, "#{error.message}. Known members stay connected (#{error.kind})"}}
  end

  def failed(%{message: message} = incident, %{message: message}, _now) do
    {%{incident | errors: incident.errors + 1}, nil}
  end

  def failed(incident, error, _now) do
    incident = %{incident | message: error.message, errors: incident.errors + 1}
    {incident, {:warn, "still no answer, now: #{error.message} (#{error.kind})"}}
  end

  @spec ended(t() | nil, integer()) :: log()
  def ended(nil, _now), do: nil

  def ended(incident, now) do
    {:info, "the Kubernetes API answers again, after #{seconds(now - incident.since)} s and #{incident.errors} errors"}
  end

  defp seconds(milliseconds), do: Float.round(milliseconds / 1000, 1)
end
