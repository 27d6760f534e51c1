defmodule LibclusterKubernetes.Test.KubeApiserver.Processes do
  @moduledoc false
  # Holds the ports of the two programs: a restart by a test must not end with that test. They end with `owner`.

  use GenServer

  alias LibclusterKubernetes.Test.KubeApiserver.Audit

  # Runs a command until it ends, or this script's standard input says anything or ends, and prints its process id.
  # An end of the input means that nobody is left to remove the folder.
  @wrapper """
  exec 3<&0 </dev/null
  log=$1; shift
  exec 2>>"$log"
  "$@" 3<&- >>"$log" &
  child=$!
  echo "$child"
  (read -r _ <&3 || orphan=1; trap "" TERM; kill -9 "$child"; [ -z "$orphan" ] || rm -rf "${log%/*}") >/dev/null &
  watcher=$!
  wait "$child"
  kill "$watcher"
  """

  @type component :: :etcd | :apiserver

  @doc "Holds what `commands` are for the two, until `owner` ends; then `dir` goes."
  @spec start(pid(), Path.t(), %{component() => [String.t()]}) :: {:ok, pid()}
  def start(owner, dir, commands), do: GenServer.start(__MODULE__, {owner, dir, commands})

  @doc "The two commands, for free ports: etcd's own two and the API server's."
  @spec commands(Path.t(), {port :: 1..65_535, etcd :: 1..65_535, peer :: 1..65_535}, keyword()) :: %{
          component() => [String.t()]
        }
  def commands(dir, {port, etcd_port, peer_port}, opts) do
    %{
      etcd: etcd(dir, etcd_port, peer_port) ++ Keyword.get(opts, :etcd, []),
      apiserver:
        apiserver(dir, port, etcd_port) ++ Audit.arguments(dir, opts[:audit]) ++ Keyword.get(opts, :apiserver, [])
    }
  end

  @impl GenServer
  def init({owner, dir, commands}) do
    Process.flag(:trap_exit, true)
    Process.monitor(owner)
    {:ok, %{dir: dir, commands: commands, running: %{}}}
  end

  @impl GenServer
  def handle_call({:start, component}, _from, state) when not is_map_key(state.running, component) do
    log = log_file(state.dir, component)
    args = ["-c", @wrapper, "sh", log | state.commands[component]]
    port = Port.open({:spawn_executable, "/bin/sh"}, [:binary, :exit_status, line: 100, args: args])

    receive do
      {^port, {:data, {:eol, os_pid}}} ->
        {:reply, :ok, put_in(state.running[component], {port, String.to_integer(os_pid)})}
    after
      10_000 -> raise "#{component} did not start"
    end
  end

  def handle_call({:start, _running}, _from, state), do: {:reply, :ok, state}

  def handle_call({:stop, component}, _from, state) do
    {running, rest} = Map.pop(state.running, component)
    end_process(running)
    {:reply, :ok, %{state | running: rest}}
  end

  def handle_call({:os_pid, component}, _from, state) do
    {:reply, with({_port, os_pid} <- state.running[component], do: os_pid), state}
  end

  @impl GenServer
  def handle_cast(:stop, state), do: {:stop, :normal, state}

  @impl GenServer
  def handle_info({:DOWN, _, :process, _owner, _}, state), do: {:stop, :normal, state}

  # One that ends by itself; whoever waits for it finds out.
  def handle_info({port, {:exit_status, _}}, state) do
    {:noreply, %{state | running: Map.reject(state.running, fn {_, {running, _}} -> running == port end)}}
  end

  def handle_info(_other, state), do: {:noreply, state}

  @impl GenServer
  def terminate(_reason, state) do
    Enum.each(state.running, fn {_, running} -> end_process(running) end)
    File.rm_rf!(state.dir)
  end

  defp end_process(nil), do: :ok

  # Not Port.close/1: the exit status comes when the process is really gone.
  defp end_process({port, _os_pid}) do
    Port.command(port, "stop\n")

    receive do
      {^port, {:exit_status, _}} -> :ok
    after
      10_000 -> raise "a process of the real API server does not end"
    end
  end

  @doc "The last that it wrote."
  def log_tail(dir, component) do
    dir |> log_file(component) |> File.read!() |> String.split("\n") |> Enum.take(-20) |> Enum.join("\n")
  end

  defp log_file(dir, component), do: Path.join(dir, "#{component}.log")

  defp etcd(dir, port, peer_port) do
    [
      asset("etcd"),
      "--data-dir=#{dir}/etcd",
      "--listen-client-urls=http://127.0.0.1:#{port}",
      "--advertise-client-urls=http://127.0.0.1:#{port}",
      "--listen-peer-urls=http://127.0.0.1:#{peer_port}",
      "--initial-advertise-peer-urls=http://127.0.0.1:#{peer_port}",
      "--initial-cluster=default=http://127.0.0.1:#{peer_port}"
    ]
  end

  defp apiserver(dir, port, etcd_port) do
    issuer = "https://kubernetes.default.svc"

    [
      asset("kube-apiserver"),
      "--etcd-servers=http://127.0.0.1:#{etcd_port}",
      "--secure-port=#{port}",
      "--bind-address=127.0.0.1",
      "--advertise-address=127.0.0.1",
      "--endpoint-reconciler-type=none",
      "--cert-dir=#{dir}",
      "--tls-cert-file=#{dir}/server.crt",
      "--tls-private-key-file=#{dir}/server.key",
      "--client-ca-file=#{dir}/ca.crt",
      "--service-account-key-file=#{dir}/sa.pub",
      "--service-account-signing-key-file=#{dir}/sa.key",
      "--service-account-issuer=#{issuer}",
      "--api-audiences=#{issuer}",
      "--token-auth-file=#{dir}/tokens.csv",
      "--authorization-mode=RBAC",
      "--service-cluster-ip-range=10.0.0.0/24",
      "--disable-admission-plugins=ServiceAccount",
      "--allow-privileged=true",
      "--runtime-config=discovery.k8s.io/v1beta1=false"
    ]
  end

  defp asset(name), do: "KUBEBUILDER_ASSETS" |> System.fetch_env!() |> Path.join(name) |> Path.expand()

  @doc false
  # Below those that the system gives to outgoing connections: nobody may take the API server's while it is away.
  def free_ports(count) do
    20_000..32_000
    |> Enum.shuffle()
    |> Stream.filter(fn port ->
      with {:ok, socket} <- :gen_tcp.listen(port, ip: {127, 0, 0, 1}),
           do: :gen_tcp.close(socket) == :ok,
           else: (_ -> false)
    end)
    |> Enum.take(count)
  end
end
