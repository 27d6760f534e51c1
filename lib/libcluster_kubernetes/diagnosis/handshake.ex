defmodule LibclusterKubernetes.Diagnosis.Handshake do
  @moduledoc false
  # The first half of connecting to a node, to see who is there and whether it takes the cookie, without being connected.
  #
  # A connection by `:net_kernel` says yes or no, and no more. This speaks its protocol, version 6 (OTP 23 and later), as
  # a node of its own name, so that the peer's view of this node stays what it is:
  # https://www.erlang.org/doc/apps/erts/erl_dist_protocol.html#distribution-handshake
  #
  #     send_name        ────▶
  #                      ◀──── status "ok"
  #                      ◀──── challenge, with the peer's name
  #     challenge_reply  ────▶                   the peer closes where the cookie differs, and logs that, as it does
  #                      ◀──── challenge_ack     of every other try
  #     close            ────▶                   the peer sees a hidden node come and go
  #
  # The cookie itself is never sent.

  import Bitwise, only: [bor: 2, bsl: 2]

  @type failure ::
          {:connect, :inet.posix() | :timeout}
          # It closed, or said something else than a node does.
          | {:no_node, :closed | :timeout | binary() | :inet.posix()}
          | {:not_allowed, status :: String.t()}
          # The challenge came, with the peer's name, and what followed was not an acknowledgement.
          | {:cookie, name :: String.t()}

  # What every OTP from 24 to 28 demands of a peer: EXTENDED_REFERENCES, FUN_TAGS, NEW_FUN_TAGS, EXTENDED_PIDS_PORTS,
  # EXPORT_PTR_TAG, BIT_BINARIES, NEW_FLOATS, UTF8_ATOMS, MAP_TAG, BIG_CREATION, HANDSHAKE_23, UNLINK_ID, V4_NC. Without
  # PUBLISHED (1) a node is hidden.
  @flags Enum.reduce([2, 4, 7, 8, 9, 10, 11, 16, 17, 18, 24, 25, 34], 0, &bor(bsl(1, &1), &2))

  @doc """
  Goes so far with the node at this address. `as` is the name to introduce oneself by, `cookie` the secret to prove. Answers
  the name of the peer, if it takes both.
  """
  @spec attempt(:inet.ip_address(), :inet.port_number(), String.t(), String.t(), timeout :: pos_integer()) ::
          {:ok, String.t()} | {:error, failure()}
  def attempt(address, port, as, cookie, timeout) do
    deadline = System.monotonic_time(:millisecond) + timeout
    options = [:binary, family(address), packet: 2, active: false, nodelay: true, send_timeout: timeout]

    case :gen_tcp.connect(address, port, options, timeout) do
      {:ok, socket} ->
        try do
          speak(socket, as, cookie, deadline)
        after
          :gen_tcp.close(socket)
        end

      {:error, reason} ->
        {:error, {:connect, reason}}
    end
  end

  @doc "The option for `:gen_tcp` that such an address needs."
  def family(address) when tuple_size(address) == 4, do: :inet
  def family(_address), do: :inet6

  defp speak(socket, as, cookie, deadline) do
    creation = :rand.uniform(0xFFFFFFFF)
    introduction = <<?N, @flags::64, creation::32, byte_size(as)::16, as::binary>>

    with :ok <- introduce(socket, introduction),
         {:ok, challenge, name} <- challenge(socket, deadline) do
      own = :rand.uniform(0xFFFFFFFF)
      reply = <<?r, own::32, digest(challenge, cookie)::binary>>
      expected = digest(own, cookie)

      with :ok <- :gen_tcp.send(socket, reply),
           {:ok, <<?a, ^expected::binary>>} <- receive_packet(socket, deadline) do
        {:ok, name}
      else
        _closed -> {:error, {:cookie, name}}
      end
    end
  end

  defp introduce(socket, introduction) do
    with {:error, reason} <- :gen_tcp.send(socket, introduction), do: {:error, {:no_node, reason}}
  end

  defp challenge(socket, deadline) do
    with {:ok, "s" <> status} when status in ["ok", "ok_simultaneous"] <- receive_packet(socket, deadline),
         {:ok, <<?N, _flags::64, challenge::32, _creation::32, size::16, name::binary-size(size), _rest::binary>>} <-
           receive_packet(socket, deadline) do
      {:ok, challenge, name}
    else
      {:ok, "s" <> status} -> {:error, {:not_allowed, status}}
      {:ok, other} -> {:error, {:no_node, binary_part(other, 0, min(byte_size(other), 20))}}
      {:error, reason} -> {:error, {:no_node, reason}}
    end
  end

  defp receive_packet(socket, deadline) do
    :gen_tcp.recv(socket, 0, max(deadline - System.monotonic_time(:millisecond), 0))
  end

  defp digest(challenge, cookie), do: :erlang.md5(cookie <> Integer.to_string(challenge))
end
