defmodule LibclusterKubernetes.Bench.Client.Completion do
  @moduledoc """
  Knows when our strategy is done with a list: by its telemetry event, which comes when the last byte is read and named.
  That nothing has changed is told some microseconds later.
  """

  @event [:libcluster_kubernetes, :list, :stop]

  @doc "Makes the strategy tell this process about its lists, while `fun` runs."
  def observed(fun) do
    :ok = :telemetry.attach(__MODULE__, @event, &__MODULE__.listed/4, self())
    fun.()
  after
    :telemetry.detach(__MODULE__)
  end

  @doc "Waits until the list is done that was asked for now."
  def await do
    receive do
      {__MODULE__, :ok} -> :ok
      {__MODULE__, result} -> raise "a list failed: #{inspect(result)}"
    after
      60_000 -> raise "a list did not end"
    end
  end

  @doc false
  def listed(@event, _measurements, %{result: result}, poller), do: send(poller, {__MODULE__, result})
end
