defmodule LibclusterKubernetes.Test.Demo.Pod do
  @moduledoc """
  The node of one pod: `bin/hello_cluster start`, run as the file `pod` in the demo's folder runs it. What it prints comes
  as messages of its port, one for each line, and so does its end.
  """

  # Runs a command until it ends, or this script's standard input says anything or ends: then in order, if it can.
  @wrapper """
  exec 3<&0 </dev/null
  "$@" 3<&- &
  child=$!
  (read -r _ <&3; kill "$child"; sleep 5; kill -9 "$child") >/dev/null 2>&1 &
  watcher=$!
  exec 3<&-
  wait "$child"
  status=$?
  kill "$watcher" 2>/dev/null
  exit "$status"
  """

  @doc "Starts it, which takes a second or so. It ends with the process that called this."
  @spec start(Path.t(), String.t()) :: port()
  def start(work, pod) do
    args = ["-c", @wrapper, "sh", Path.join(work, "pod"), pod, "start"]
    options = [:binary, :exit_status, :stderr_to_stdout, line: 65_536, cd: work, args: args]
    Port.open({:spawn_executable, System.find_executable("sh")}, options)
  end

  @doc "Makes it end in order, as the kubelet would."
  @spec terminate(port()) :: :ok
  def terminate(port) do
    # It may have ended by itself just now.
    if Port.info(port), do: Port.command(port, "end\n")
    :ok
  end

  @doc """
  A port that is free on all addresses that the demo uses: this one, or where none is given, one below those that the
  kernel gives to outgoing connections.
  """
  @spec free_port(String.t()) :: {:ok, :inet.port_number()} | {:error, String.t()}
  def free_port(""), do: free_port_in(Enum.take_random(20_000..29_999, 50))

  def free_port(given) do
    with {port, ""} when port in 1..65_535 <- Integer.parse(given) do
      if free?(port),
        do: {:ok, port},
        else: {:error, "HELLO_DIST_PORT is #{given}, but something listens there on one of 127.0.0.2 to 127.0.0.9"}
    else
      _no_port -> {:error, "HELLO_DIST_PORT is #{given}, but must be a port number"}
    end
  end

  defp free_port_in(ports) do
    case Enum.find(ports, &free?/1) do
      nil -> {:error, "no free port between 20000 and 29999 after 50 attempts; choose one with HELLO_DIST_PORT"}
      port -> {:ok, port}
    end
  end

  defp free?(port), do: Enum.all?(2..9, &free?(port, {127, 0, 0, &1}))

  defp free?(port, address) do
    case :gen_tcp.listen(port, ip: address, reuseaddr: true) do
      {:ok, socket} -> :gen_tcp.close(socket) == :ok
      {:error, _in_use} -> false
    end
  end
end
