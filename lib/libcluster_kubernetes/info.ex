defmodule LibclusterKubernetes.Info do
  @moduledoc """
  What a topology knows and does, at one moment. See `LibclusterKubernetes.info/1`.
  """

  alias LibclusterKubernetes.Options
  alias LibclusterKubernetes.Strategy.{Membership, State}

  @enforce_keys [
    :topology,
    :source,
    :namespace,
    :mode,
    :since,
    :last_success,
    :last_error,
    :failing,
    :resource_version,
    :members,
    :standing,
    :held_back,
    :gone?,
    :requests,
    :version
  ]
  defstruct @enforce_keys

  @typedoc """
    * `topology` - its name in `config :libcluster`
    * `source` - where addresses come from: `kubernetes_ip_lookup_mode`
    * `namespace` - where it looks: `kubernetes_namespace`, or what the service account's file `namespace` says; `nil` where
      that cannot be read
    * `mode` - `:watch` while changes come by themselves (also for the moment between two watches), `:poll` while each
      tick asks, `:starting` before the first answer, `:idle` where nothing is asked for, because `kubernetes_selector` or
      `kubernetes_node_basename` is `nil`. It stays what it was while the API fails: see `failing`
    * `since` - when that mode began; `nil` before the first answer
    * `last_success` - when the last list was complete, or a watch was opened or told something; a watch is silent
      while nothing changes
    * `last_error` - the last error, though it may be over: its `kind`, `status` (HTTP), `message` and
      `advice`, and when (`at`)
    * `failing` - `nil` while the API answers; otherwise since when it does not, and why. Members are what they were before
    * `resource_version` - the server's mark of the last change that came; `nil` before the first answer
    * `members` - everybody in the answers but this node, and everybody who is gone and not yet let go of
    * `standing` - what the answers say of this node itself, as of a member; `nil` where none ever named it
    * `held_back` - members that have been absent for `kubernetes_disconnect_after` and stay all the same, because the list
      that was to confirm it failed or is not plausibly about this cluster: since when, why, and who; `nil` otherwise
    * `gone?` - whether this node was judged to be gone from the answers: it has left, or is kept by another topology of its VM,
      and connects to nobody until an answer names it again
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
          failing: failing() | nil,
          resource_version: String.t() | nil,
          members: [member()],
          standing: standing() | nil,
          held_back: held_back() | nil,
          gone?: boolean(),
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

  @typedoc "Since when, how many errors there were, and the last one. `advice` as in `t:last_error/0`."
  @type failing :: %{
          since: DateTime.t(),
          errors: pos_integer(),
          kind: atom(),
          status: 100..599 | nil,
          message: String.t(),
          advice: String.t() | nil
        }

  @typedoc """
  A member by its node name. `standing` is what the API says: `:ready`, `:not_ready`, `:draining` (terminating), or `:absent`
  (no longer in the answers, and let go of after `kubernetes_disconnect_after`).
  """
  @type member :: %{name: String.t(), standing: standing(), connected?: boolean()}
  @type standing :: :ready | :not_ready | :draining | :absent

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
      failing: failing(activity, state.incident),
      resource_version: state.resource_version,
      members: members(state.membership, connected),
      standing: Membership.standing(state.membership),
      held_back: state.held_back,
      gone?: state.membership.gone?,
      requests: activity.requests,
      version: version()
    }
  end

  @doc false
  # The namespace in use. Files are read by whoever asks: the process of the topology waits for none.
  @spec locate(t(), (... -> Options.t())) :: t()
  def locate(%{namespace: nil} = info, options) do
    case File.read(Path.join(options.().values.kubernetes_service_account_path, "namespace")) do
      {:ok, text} -> %{info | namespace: namespace(String.trim(text))}
      {:error, _} -> info
    end
  end

  def locate(info, _options), do: info

  # As the native library takes it.
  defp namespace(text), do: if(text =~ ~r/\A[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\z/, do: text)

  defp last_error(nil), do: nil
  defp last_error({at, error}), do: error |> reason() |> Map.put(:at, at)

  defp failing(%{failing_since: nil}, _incident), do: nil

  defp failing(%{failing_since: since, last_error: {_at, error}}, incident) do
    error |> reason() |> Map.merge(%{since: since, errors: incident.errors})
  end

  defp reason(error), do: Map.take(error, [:kind, :status, :message, :advice])

  defp members(membership, connected) do
    membership
    |> Membership.standings()
    |> Enum.map(fn {name, standing} -> %{name: name, standing: standing, connected?: name in connected} end)
    |> Enum.sort_by(& &1.name)
  end

  defp version, do: :libcluster_kubernetes |> Application.spec(:vsn) |> to_string()
end
