defmodule LibclusterKubernetes.Bench.BareGet do
  @moduledoc """
  A program that does nothing but GET a list on a connection that it keeps: `native/discovery`'s example
  `bare_get`, with the TLS and HTTP of the NIF.
  """

  @enforce_keys [:port, :os_pid]
  defstruct @enforce_keys

  @doc "`query` is what the URL has beyond the selector."
  def start!(server, source, namespace, query) when source in [:endpoints, :pods] do
    path = "/api/v1/namespaces/#{namespace}/#{source}?labelSelector=app%3Dapp#{query}"
    args = ["https://localhost:#{server.port}#{path}", server.account]
    program = System.fetch_env!("BARE_GET")
    port = Port.open({:spawn_executable, program}, [:binary, args: args, line: 1_000_000])
    {:os_pid, os_pid} = Port.info(port, :os_pid)
    %__MODULE__{port: port, os_pid: os_pid}
  end

  @doc "GETs so often, and answers how long each took, in microseconds."
  def gets(%{port: port}, count) do
    Port.command(port, "#{count}\n")

    receive do
      {^port, {:data, {:eol, line}}} -> line |> String.split() |> Enum.map(&String.to_integer/1)
    after
      60_000 -> raise "bare_get did not answer"
    end
  end

  def stop(%{port: port}), do: Port.close(port)
end
