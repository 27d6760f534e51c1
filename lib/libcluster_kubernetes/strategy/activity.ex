defmodule LibclusterKubernetes.Strategy.Activity do
  @moduledoc false
  # What a topology does with the API and how that goes: the part of `LibclusterKubernetes.Info` that comes with the
  # messages of the NIF. Pure: `now` is the wall clock.
  #
  #     :starting ──── a list ────▶ (will a watch follow?) ──── another list ───▶ :poll
  #                                          │  ▲                                   │
  #                                          ▼  └────── a list ─────┐               │
  #                                        :watch ──────────────────┘ ◀── a watch ──┘
  #
  # The moment between a watch that ended and the next is still `:watch`.

  alias LibclusterKubernetes.Native

  defstruct mode: :starting,
            since: nil,
            last_success: nil,
            last_error: nil,
            failing_since: nil,
            requests: 0,
            listed?: false

  @type mode :: :starting | :watch | :poll
  @type t :: %__MODULE__{
          mode: mode(),
          since: DateTime.t() | nil,
          last_success: DateTime.t() | nil,
          last_error: {DateTime.t(), Native.error()} | nil,
          # `nil` while nothing fails.
          failing_since: DateTime.t() | nil,
          requests: non_neg_integer(),
          # Whether a list was completed after the last watch.
          listed?: boolean()
        }

  @doc "`watch?` is whether a watch is wanted."
  @spec listed(t(), Native.listed(), watch? :: boolean(), DateTime.t()) :: t()
  def listed(activity, %{kind: nil} = listed, watch?, now) do
    mode = if activity.listed? or not watch?, do: :poll, else: activity.mode
    enter(%{activity | last_success: now, requests: listed.requests, listed?: true}, mode, now)
  end

  def listed(activity, listed, _watch?, _now), do: %{activity | requests: listed.requests}

  @spec watching(t(), DateTime.t()) :: t()
  def watching(activity, now) do
    # It tells its own number when it ends.
    requests = activity.requests + 1
    enter(%{activity | last_success: now, listed?: false, requests: requests}, :watch, now)
  end

  @doc "Something came from the watch that is open."
  @spec heard(t(), DateTime.t()) :: t()
  def heard(activity, now), do: %{activity | last_success: now}

  @spec watched(t(), Native.watched()) :: t()
  def watched(activity, watched), do: %{activity | requests: watched.requests}

  @spec failed(t(), Native.error(), DateTime.t()) :: t()
  def failed(activity, error, now) do
    %{activity | last_error: {now, error}, failing_since: activity.failing_since || now}
  end

  @doc "An answer came, or a watch goes on."
  @spec recovered(t()) :: t()
  def recovered(activity), do: %{activity | failing_since: nil}

  defp enter(%{mode: mode} = activity, mode, _now), do: activity
  defp enter(activity, mode, now), do: %{activity | mode: mode, since: now}
end
