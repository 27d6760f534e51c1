defmodule LibclusterKubernetes.Native do
  @moduledoc false
  # The boundary to Rust. `options` is what `LibclusterKubernetes.Options.to_native/1` makes. The library itself is behind
  # native/library.ex. A worker knows the library that it was started with, so that it is served by that one when another
  # version is loaded beside it; and `refresh/1` says that it is time for another worker.

  # As in native/library.ex.
  @library Module.concat(__MODULE__, "V" <> String.replace(Mix.Project.config()[:version], ~r/[^[:alnum:]]/, "_"))

  @typedoc "`nil` is the worker of a library that could not be loaded: always outdated."
  @type worker :: {library :: module(), handle :: reference()} | nil
  @typedoc "What happened, and apart from it what to do about that, for when it lasts."
  @type error :: %{
          kind: atom(),
          message: String.t(),
          advice: String.t() | nil,
          status: 100..599 | nil,
          retry_after_ms: non_neg_integer() | nil
        }
  @typedoc "A list that has ended: the bytes of its bodies, and `kind` of the error, if there is no answer."
  @type listed :: %{
          duration_us: non_neg_integer(),
          bytes: non_neg_integer(),
          pages: pos_integer(),
          kind: atom() | nil,
          requests: non_neg_integer()
        }
  @typedoc "A watch that has ended. `requests` counts all that the worker has made so far."
  @type watched :: %{
          duration_us: non_neg_integer(),
          bytes: non_neg_integer(),
          events: non_neg_integer(),
          ending: :ended | :useless | :broken | :silent | :expired | :failed,
          requests: non_neg_integer()
        }
  @type snapshot :: %{
          ready: [String.t()],
          not_ready: [String.t()],
          draining: [String.t()],
          dropped: [%{reason: String.t(), count: pos_integer(), example: String.t()}],
          warnings: [String.t()],
          resource_version: String.t(),
          truncated: boolean()
        }

  @typedoc """
  Which change it is since the last snapshot, from 1, and how many members there are after it: whoever counts otherwise has
  missed something, and has to start another worker, which begins with a snapshot.
  """
  @type mark :: {number :: pos_integer(), members :: non_neg_integer()}

  @doc """
  Starts a thread that sends `{:libcluster_kubernetes, ref, event}` to `pid`, where `event` is

    * `{:snapshot, snapshot()}`, the first answer,
    * `{:changed, mark(), gone, snapshot()}`, what is another than in the answer before, by a list or a watch: `gone` are names
      that are no longer in it, and of the snapshot's names there are those that are new or stand otherwise,
    * `:unchanged` when a list said nothing new,
    * `:watching` when a watch is open,
    * `{:error, error()}`,
    * `{:listed, listed()}` and `{:watched, watched()}` when a list or a watch has ended, for those who measure.

  Never blocks.
  """
  @spec start(map(), pid()) :: {:ok, {worker(), reference()}} | {:error, String.t()}
  def start(options, pid), do: ask(:start, options, pid)

  @doc """
  Says that the last answer, a snapshot or a change, was acted on. Until then no other is sent: what changes meanwhile is kept,
  and comes now, as one, to the caller. `ref` is the reference of the messages. Never blocks.
  """
  @spec acknowledge(worker(), reference()) :: :ok
  def acknowledge(worker, ref) do
    _ = call(worker, :acknowledge, [ref])
    :ok
  end

  @doc """
  Asks for a list; one that is running or scheduled after a failure serves, and so does a watch. Never blocks.

  `:outdated` is a worker of another version's library, or of one that was unloaded: to be stopped, and replaced. The other
  functions do nothing for a worker whose library was unloaded. Its thread runs until nobody holds the worker any more.
  """
  @spec refresh(worker()) :: :ok | :outdated
  def refresh({library, _handle}) when library != @library, do: :outdated
  def refresh(worker), do: call(worker, :refresh, [])

  @doc "What says that the library gives no thread: an error like those of the API."
  @spec library_error(String.t()) :: error()
  def library_error(text) do
    %{kind: :library, message: text, advice: nil, status: nil, retry_after_ms: nil}
  end

  @doc "Stops the thread and closes its connection. Never blocks; the death of the process does the same."
  @spec stop(worker() | question()) :: :ok
  def stop(handle) do
    _ = call(handle, :stop, [])
    :ok
  end

  @typedoc "What was asked once. Whoever asks is answered, unless the asking process dies or stops it."
  @type question :: {library :: module(), handle :: reference()}

  @doc """
  Lists what is true now, once, on a thread and a connection of its own: sends
  `{:libcluster_kubernetes, ref, {:list, {:ok, snapshot()} | {:error, error()}}}` to `pid`. Never blocks.
  """
  @spec list(map(), pid()) :: {:ok, {question(), reference()}} | {:error, String.t()}
  def list(options, pid), do: ask(:list, options, pid)

  @typedoc "What a step of `probe/2` found; `nil` where an earlier one failed that it depends on."
  @type step(found) :: {:ok, found} | {:error, error()} | nil
  @type certificate :: %{subject: String.t(), issuer: String.t()}
  @type review :: %{allowed: boolean(), reason: String.t() | nil}
  @type object :: %{
          name: String.t(),
          labels: [String.t()],
          service: String.t() | nil,
          ready: non_neg_integer(),
          not_ready: non_neg_integer()
        }
  @type facts :: %{
          token: step(%{expires_at: non_neg_integer() | nil, audiences: [String.t()], subject: String.t() | nil} | nil),
          authorities: step([certificate()]),
          namespace: step(String.t() | :all),
          address: step(%{server: String.t(), addresses: [String.t()], instead_of: String.t() | nil}),
          tcp: step(String.t()),
          tls: step(true),
          shown: certificate() | nil,
          version: step(String.t()),
          may_list: step(review()),
          may_watch: step(review()),
          snapshot: step(snapshot()),
          watch: step(true),
          matching: step([object()]),
          others: step([object()])
        }

  @doc """
  Goes every step from the service account's files to the names, each of which takes up to `request_timeout_ms`: sends
  `{:libcluster_kubernetes, ref, {:probe, facts()}}` to `pid`. Never blocks.
  """
  @spec probe(map(), pid()) :: {:ok, {question(), reference()}} | {:error, String.t()}
  def probe(options, pid), do: ask(:probe, options, pid)

  defp ask(function, options, pid) do
    with {:ok, {handle, ref}} <- apply(@library, function, [options, pid]), do: {:ok, {{@library, handle}, ref}}
  rescue
    # In a release nothing loads a module that was unloaded.
    UndefinedFunctionError -> {:error, "#{inspect(@library)}, the library of this version, is not loaded"}
    error in ErlangError -> {:error, "the native library cannot be loaded: #{not_loaded!(error, __STACKTRACE__)}"}
  end

  # Why the file cannot be loaded, as native/library.ex says it.
  defp not_loaded!(%{original: {:not_loaded, reason}}, _stacktrace), do: reason
  defp not_loaded!(error, stacktrace), do: reraise(error, stacktrace)

  defp call({library, handle}, function, args) do
    apply(library, function, [handle | args])
  rescue
    # Unloaded; or unloaded and loaded again, which does not know the handles of the former.
    _ in [UndefinedFunctionError, ArgumentError] ->
      :outdated

    error in ErlangError ->
      _ = not_loaded!(error, __STACKTRACE__)
      :outdated
  end
end
