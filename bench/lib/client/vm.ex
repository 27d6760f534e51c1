defmodule LibclusterKubernetes.Bench.Client.Vm do
  @moduledoc """
  What runs in a client's VM: it does what the driver sends, one call after the other, and ends with the driver.

  Standard output stays free for the log; calls come in on descriptor 3, results go out on 4.
  """

  @doc "For `erl -s`, which waits until this returns."
  def main do
    spawn(fn ->
      port = Port.open({:fd, 3, 4}, [:binary, :eof, packet: 4])
      owner = self()
      loop(port, spawn_link(fn -> serve(owner) end))
    end)
  end

  @doc "Starts the applications."
  def prepare do
    {:ok, _} = Application.ensure_all_started(:libcluster_kubernetes)
    # What fails shows in the figures; that a server goes while it is watched is no news here.
    Logger.configure(level: :emergency)
  end

  @doc "Loads all their modules, as a release does at its start, but for the NIF: that is measured."
  def load_modules do
    modules =
      for {app, _, _} <- Application.loaded_applications(),
          module <- Application.spec(app, :modules) || [],
          not nif?(module),
          do: module

    # Some have no place in this VM, which is no matter; together they load faster.
    _ = :code.ensure_modules_loaded(modules)

    # What loading left behind is not a strategy's.
    for pid <- Process.list(), do: :erlang.garbage_collect(pid)
    :ok
  end

  # lib/libcluster_kubernetes/native/library.ex
  defp nif?(module), do: String.starts_with?("#{module}", "Elixir.LibclusterKubernetes.Native.V")

  # Calls run in a process of their own, which keeps what they make, so that a driver that goes ends even a long one.
  defp loop(port, caller) do
    receive do
      {^port, {:data, call}} -> send(caller, {:call, :erlang.binary_to_term(call)})
      {:answer, answer} -> Port.command(port, :erlang.term_to_binary(answer))
      {^port, :eof} -> System.halt(0)
    end

    loop(port, caller)
  end

  defp serve(owner) do
    receive do
      {:call, call} -> send(owner, {:answer, result(call)})
    end

    serve(owner)
  end

  defp result({module, function, args}) do
    {:ok, apply(module, function, args)}
  catch
    kind, reason -> {:error, Exception.format(kind, reason, __STACKTRACE__)}
  end
end
