defmodule :telemetry do
  @moduledoc """
  A stand-in for the part of the `telemetry` package that libcluster and our tests use.

  Handlers run in the process that calls `execute/3`. One that raises, throws or exits is detached from all its events
  and logged, and `[:telemetry, :handler, :failure]` is emitted; the caller goes on.

  Left out: `span/3`, `persist/0` and the number-as-measurement form of `execute`.
  """
  use GenServer

  require Logger

  @type event_name :: [atom, ...]
  @type event_prefix :: [atom]
  @type handler_id :: term
  @type handler_function :: (event_name, map, map, config :: term -> term)
  @type handler :: %{
          id: handler_id,
          event_name: event_name,
          function: handler_function,
          config: term
        }

  # Rows are {event_name, handler_id, function, config}. Any process reads; the owner alone writes, which makes "refuse an
  # id that exists" one step.
  @table :telemetry

  @doc "Calls every handler of `event_name`."
  @spec execute(event_name, map, map) :: :ok
  def execute(event_name, measurements, metadata \\ %{})
      when is_list(event_name) and is_map(measurements) and is_map(metadata) do
    for {_event, id, function, config} <- handlers_of(event_name) do
      try do
        function.(event_name, measurements, metadata, config)
      catch
        kind, reason -> drop_failed(event_name, id, config, kind, reason, __STACKTRACE__)
      end
    end

    :ok
  end

  @doc "Attaches `function` to one event under `id`."
  @spec attach(handler_id, event_name, handler_function, config :: term) ::
          :ok | {:error, :already_exists}
  def attach(id, event_name, function, config) do
    attach_many(id, [event_name], function, config)
  end

  @doc "Attaches `function` to several events under one `id`."
  @spec attach_many(handler_id, [event_name], handler_function, config :: term) ::
          :ok | {:error, :already_exists}
  def attach_many(id, event_names, function, config)
      when is_list(event_names) and is_function(function, 4) do
    rows = for event_name <- Enum.uniq(event_names), do: {event_name, id, function, config}
    GenServer.call(__MODULE__, {:attach, id, rows})
  end

  @doc "Removes the handler `id` from all its events."
  @spec detach(handler_id) :: :ok | {:error, :not_found}
  def detach(id), do: GenServer.call(__MODULE__, {:detach, id})

  @doc "The handlers of all events that begin with `prefix`; `[]` lists all."
  @spec list_handlers(event_prefix) :: [handler]
  def list_handlers(prefix) when is_list(prefix) do
    for {event_name, id, function, config} <- :ets.tab2list(@table),
        List.starts_with?(event_name, prefix) do
      %{id: id, event_name: event_name, function: function, config: config}
    end
  end

  @doc false
  def start_link(_args), do: GenServer.start_link(__MODULE__, nil, name: __MODULE__)

  @impl GenServer
  def init(nil) do
    {:ok, :ets.new(@table, [:named_table, :duplicate_bag, :protected, read_concurrency: true])}
  end

  @impl GenServer
  def handle_call({:attach, id, rows}, _from, table) do
    if known?(table, id) do
      {:reply, {:error, :already_exists}, table}
    else
      :ets.insert(table, rows)
      {:reply, :ok, table}
    end
  end

  def handle_call({:detach, id}, _from, table) do
    if known?(table, id) do
      # Not match_delete: an id may be any term, :_ included.
      for {_, ^id, _, _} = row <- :ets.tab2list(table), do: :ets.delete_object(table, row)
      {:reply, :ok, table}
    else
      {:reply, {:error, :not_found}, table}
    end
  end

  defp known?(table, id), do: Enum.any?(:ets.tab2list(table), &(elem(&1, 1) === id))

  defp handlers_of(event_name) do
    :ets.lookup(@table, event_name)
  rescue
    # No table: the application is not started (`mix test --no-start`). An event must never fail its emitter.
    ArgumentError ->
      Logger.warning("telemetry stand-in: no handler table, is :libcluster started?")
      []
  end

  defp drop_failed(event_name, id, config, kind, reason, stacktrace) do
    detach(id)

    Logger.error(
      "Handler #{inspect(id)} has failed and has been detached: " <>
        Exception.format(kind, reason, stacktrace)
    )

    execute(
      [:telemetry, :handler, :failure],
      %{monotonic_time: System.monotonic_time(), system_time: System.system_time()},
      %{
        event_name: event_name,
        handler_id: id,
        handler_config: config,
        kind: kind,
        reason: reason,
        stacktrace: stacktrace
      }
    )
  end
end
