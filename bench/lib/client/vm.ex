defmodule LibclusterKubernetes.Bench.Client.Vm do
  @moduledoc """
  What runs in a client's VM: it does what the driver sends, one call after the other, and ends with the driver.

  Standard output stays free for the log; calls come in on descriptor 3, results go out on 4.
  """

  @doc "For `erl -s`, which waits until this returns."
  def main do
    spawn(fn ->
      port = Port.open({:fd, 3, 4}, [:binary, :eof, packet: 4])
      loop(port)
    end)
  end

  @doc "Starts the applications."
  def prepare do
    {:ok, _} = Application.ensure_all_started(:libcluster_kubernetes)
    Logger.configure(level: :warning)
  end

  @doc "Loads all their modules, as a release does at its start, but for the NIF: that is measured."
  def load_modules do
    for {app, _, _} <- Application.loaded_applications(),
        module <- Application.spec(app, :modules) || [],
        module != LibclusterKubernetes.Native,
        do: Code.ensure_loaded(module)

    # What loading left behind is not a strategy's.
    for pid <- Process.list(), do: :erlang.garbage_collect(pid)
    :ok
  end

  defp loop(port) do
    receive do
      {^port, {:data, call}} ->
        {module, function, args} = :erlang.binary_to_term(call)
        Port.command(port, :erlang.term_to_binary(result(module, function, args)))
        loop(port)

      {^port, :eof} ->
        System.halt(0)
    end
  end

  defp result(module, function, args) do
    {:ok, apply(module, function, args)}
  catch
    kind, reason -> {:error, Exception.format(kind, reason, __STACKTRACE__)}
  end
end
