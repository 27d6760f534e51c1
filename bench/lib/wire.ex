defmodule LibclusterKubernetes.Bench.Wire do
  @moduledoc """
  A TCP relay before the API server that counts what passes: the bytes of both directions, TLS and HTTP headers
  included. Nothing is timed through it.
  """

  @enforce_keys [:port, :count, :acceptor]
  defstruct @enforce_keys

  @doc "Starts a relay to a port of this machine. It ends with its caller."
  def start!(target) do
    {:ok, listener} = :gen_tcp.listen(0, [:binary, ip: {127, 0, 0, 1}, active: false, backlog: 1_024])
    {:ok, port} = :inet.port(listener)
    count = :counters.new(1, [:write_concurrency])
    acceptor = spawn_link(fn -> own_and_accept(listener, target, count) end)
    :ok = :gen_tcp.controlling_process(listener, acceptor)
    %__MODULE__{port: port, count: count, acceptor: acceptor}
  end

  @doc "How many bytes have passed."
  def bytes(wire), do: :counters.get(wire.count, 1)

  @doc "Breaks all connections."
  def cut(wire), do: send(wire.acceptor, :cut)

  def stop(wire) do
    Process.unlink(wire.acceptor)
    Process.exit(wire.acceptor, :kill)
    :ok
  end

  # The connections are linked to the acceptor: they end with it.
  defp own_and_accept(listener, target, count) do
    Process.flag(:trap_exit, true)
    accept(listener, target, count, MapSet.new())
  end

  defp accept(listener, target, count, relays) do
    relays = handle_messages(relays)

    case :gen_tcp.accept(listener, 20) do
      {:ok, client} ->
        relay = spawn_link(fn -> relay_when_owned(target, count) end)
        :ok = :gen_tcp.controlling_process(client, relay)
        send(relay, {:relay, client})
        accept(listener, target, count, MapSet.put(relays, relay))

      {:error, :timeout} ->
        accept(listener, target, count, relays)
    end
  end

  defp handle_messages(relays) do
    receive do
      {:EXIT, relay, _} ->
        handle_messages(MapSet.delete(relays, relay))

      :cut ->
        Enum.each(relays, &Process.exit(&1, :kill))
        handle_messages(relays)
    after
      0 -> relays
    end
  end

  defp relay_when_owned(target, count) do
    receive do
      {:relay, client} ->
        {:ok, server} = :gen_tcp.connect({127, 0, 0, 1}, target, [:binary, active: :once, nodelay: true])
        :ok = :inet.setopts(client, active: :once, nodelay: true)
        relay(client, server, count)
    end
  end

  defp relay(client, server, count) do
    receive do
      {:tcp, ^client, data} -> pass(client, server, data, client, server, count)
      {:tcp, ^server, data} -> pass(server, client, data, client, server, count)
      {:tcp_closed, _} -> :closed
      {:tcp_error, _, _} -> :closed
    end
  end

  defp pass(from, to, data, client, server, count) do
    :counters.add(count, 1, byte_size(data))

    with :ok <- :gen_tcp.send(to, data), :ok <- :inet.setopts(from, active: :once) do
      relay(client, server, count)
    end
  end
end
