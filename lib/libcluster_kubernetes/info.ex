defmodule LibclusterKubernetes.Info do
  @moduledoc """
  What a topology knows and does, at one moment. See `LibclusterKubernetes.info/1`.
  """

  alias LibclusterKubernetes.Strategy.{Membership, State}

  @enforce_keys [
    :topology,
    :source,
    :namespace,
    :mode,
    :since,
    :last_success,
    :last_error,
    :resource_version,
    :members,
    :held_back,
    :requests,
    :version
  ]
  defstruct @enforce_keys

  @typedoc """
    * `topology` - its name in `config :libcluster`
    * `source` - where addresses come from: `kubernetes_ip_lookup_mode`
    * `namespace` - `kubernetes_namespace`; `nil` is the service account's own
    * `mode` - `:watch` while changes come by themselves (also for the moment between two watches), `:poll` while each
      tick asks, `:starting` before the first answer, `:idle` where nothing is asked for, because `kubernetes_selector` or
      `kubernetes_node_basename` is `nil`
    * `since` - when that mode began; `nil` before the first answer
    * `last_success` - when the last list was complete, or a watch was opened or told something; a watch is silent
      while nothing changes
    * `last_error` - the last error, though it may be over: its `kind`, `status` (HTTP), `message` and
      `advice`, and when (`at`)
    * `resource_version` - the server's mark of the last change that came; `nil` before the first answer
    * `members` - everybody in the answers but this node, and everybody who is gone and not yet let go of
    * `held_back` - members that have been absent for `kubernetes_disconnect_after` and stay all the same, because the list
      that was to confirm it failed or is not plausibly about this cluster: since when, why, and who; `nil` otherwise
    * `requests` - made by this topology since it was started
    * `version` - of this package
  """
  @type t :: %__MODULE__{
          topology: atom(),
          source: :endpoints | :endpoint_slices | :pods,
          namespace: String.t() | :all | nil,
          mode: :starting | :watch | :poll | :idle,
          since: DateTime.t() | nil,
          last_success: DateTime.t() | nil,
          last_error: last_error() | nil,
          resource_version: String.t() | nil,
          members: [member()],
          held_back: held_back() | nil,
          requests: non_neg_integer(),
          version: String.t()
        }

  @typedoc "`advice` is what to do about it, where that is known."
  @type last_error :: %{
          at: DateTime.t(),
          kind: atom(),
          status: 100..599 | nil,
          message: String.t(),
          advice: String.t() | nil
        }

  @typedoc """
  A member by its node name. `standing` is what the API says: `:ready`, `:not_ready`, `:draining` (terminating), or `:absent`
  (no longer in the answers, and let go of after `kubernetes_disconnect_after`).
  """
  @type member :: %{name: String.t(), standing: :ready | :not_ready | :draining | :absent, connected?: boolean()}

  @typedoc """
  `reason` is `:empty`, `:truncated` (Endpoints hold 1,000 addresses), `{:strangers, size}` (it names nobody of this cluster
  of so many), `{:most_missing, missing, size}`, or `{:failed, kind}` of the error.
  """
  @type held_back :: %{since: DateTime.t(), reason: atom() | tuple(), members: [String.t()]}

  @doc false
  @spec new(State.t(), connected :: MapSet.t(String.t())) :: t()
  def new(%{options: options, activity: activity} = state, connected) do
    %__MODULE__{
      topology: options.topology,
      source: options.values.kubernetes_ip_lookup_mode,
      namespace: options.values.kubernetes_namespace,
      mode: if(options.idle, do: :idle, else: activity.mode),
      since: activity.since,
      last_success: activity.last_success,
      last_error: last_error(activity.last_error),
      resource_version: state.resource_version,
      members: members(state.membership, connected),
      held_back: state.held_back,
      requests: activity.requests,
      version: version()
    }
  end

  defp last_error(nil), do: nil
  defp last_error({at, error}), do: error |> Map.take([:kind, :status, :message, :advice]) |> Map.put(:at, at)

  defp members(membership, connected) do
    membership
    |> Membership.standings()
    |> Enum.map(fn {name, standing} -> %{name: name, standing: standing, connected?: name in connected} end)
    |> Enum.sort_by(& &1.name)
  end

  defp version, do: :libcluster_kubernetes |> Application.spec(:vsn) |> to_string()
end
