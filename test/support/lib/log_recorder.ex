defmodule LibclusterKubernetes.Test.LogRecorder do
  @moduledoc """
  A handler of `:logger` that keeps the lines of each topology, and notices secrets in whatever is logged by anybody,
  crash reports with all their terms included.
  """

  @handler :fault_log

  @doc "Starts to record. `secret` is what no event may contain."
  def start(secret) do
    table = :ets.new(@handler, [:public, :duplicate_bag])
    :ok = :logger.add_handler(@handler, __MODULE__, %{config: %{table: table, secret: secret}})
    table
  end

  def stop, do: :logger.remove_handler(@handler)

  @doc "The lines of a topology in their order, without the prefix: `{level, text}`."
  def lines(table, topology) do
    table |> :ets.lookup(Atom.to_string(topology)) |> Enum.sort() |> Enum.map(fn {_, _, line} -> line end)
  end

  @doc "The events that contain the secret."
  def leaks(table), do: for({:leak, _, event} <- :ets.lookup(table, :leak), do: event)

  @doc false
  def log(event, %{config: %{table: table, secret: secret}}) do
    text = event |> :logger_formatter.format(%{single_line: false, template: [:msg]}) |> IO.chardata_to_string()
    number = System.unique_integer([:monotonic])

    with [_, topology, text] <- Regex.run(~r/\A\[libcluster:([^\]]+)\] (.*)\z/s, text) do
      :ets.insert(table, {topology, number, {event.level, text}})
    end

    all = text <> inspect(event, limit: :infinity, printable_limit: :infinity)
    if String.contains?(all, secret), do: :ets.insert(table, {:leak, number, event})
    :ok
  end
end
