defmodule LibclusterKubernetes.Native do
  @moduledoc false
  # The boundary to Rust. `options` is what `LibclusterKubernetes.Options.to_native/1` makes.

  @on_load :load

  @type worker :: reference()
  @type error :: %{
          kind: atom(),
          message: String.t(),
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
          ending: :ended | :relist | :broken | :silent | :expired | :failed,
          requests: non_neg_integer()
        }
  @type snapshot :: %{
          ready: [String.t()],
          not_ready: [String.t()],
          draining: [String.t()],
          dropped: [%{reason: String.t(), count: pos_integer(), example: String.t()}],
          warnings: [String.t()],
          resource_version: String.t()
        }

  def load do
    :libcluster_kubernetes
    |> :code.priv_dir()
    |> :filename.join(~c"native/libcluster_kubernetes")
    |> :erlang.load_nif(0)
  end

  @doc """
  Starts a thread that sends `{:libcluster_kubernetes, ref, event}` to `pid`, where `event` is

    * `{:snapshot, snapshot()}`, or `:unchanged` when a list said the same as the last snapshot,
    * `:watching` when a watch is open,
    * `{:error, error()}`,
    * `{:listed, listed()}` and `{:watched, watched()}` when a list or a watch has ended, for those who measure.

  Never blocks.
  """
  @spec start(map(), pid()) :: {:ok, {worker(), reference()}} | {:error, String.t()}
  def start(_options, _pid), do: not_loaded()

  @doc """
  Says that the last snapshot was acted on. Until then no other is sent: the latest one is kept, and comes now, to the
  caller. `ref` is the reference of the messages. Never blocks.
  """
  @spec acknowledge(worker(), reference()) :: :ok
  def acknowledge(_worker, _ref), do: not_loaded()

  @doc "Asks for a list; one that is running or scheduled after a failure serves, and so does a watch. Never blocks."
  @spec refresh(worker()) :: :ok
  def refresh(_worker), do: not_loaded()

  @doc "Asks for a list also while a watch is open, which is opened anew after it. Never blocks."
  @spec relist(worker()) :: :ok
  def relist(_worker), do: not_loaded()

  @doc "Stops the thread and closes its connection. Never blocks; the death of the process does the same."
  @spec stop(worker()) :: :ok
  def stop(_worker), do: not_loaded()

  @doc "Lists once, on a dirty I/O scheduler, for as long as `request_timeout_ms` says."
  @spec list(map()) :: {:ok, snapshot()} | {:error, error() | String.t()}
  def list(_options), do: not_loaded()

  defp not_loaded, do: :erlang.nif_error(:not_loaded)
end
