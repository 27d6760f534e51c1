defmodule LibclusterKubernetes.Test.KubeApiserver do
  @moduledoc """
  A real kube-apiserver with its etcd, from the folder in `KUBEBUILDER_ASSETS`, and the calls that tests make as its
  admin. RBAC is on and tokens are real; there is no scheduler, no kubelet and no controller, so a test says itself what
  is in Endpoints and in the status of pods.

  Both processes end with the process that called `start!/1`, and with the VM, even when that is killed.
  """

  import ExUnit.Callbacks, only: [on_exit: 1]

  alias LibclusterKubernetes.Test.KubeApiserver.{Access, Admin, Audit, Credentials, Objects, Processes}
  alias LibclusterKubernetes.Test.Topology

  @enforce_keys [:url, :etcd_url, :admin_token, :ca, :dir, :holder]
  defstruct @enforce_keys

  @type t :: %__MODULE__{
          url: String.t(),
          etcd_url: String.t(),
          admin_token: String.t(),
          ca: Path.t(),
          dir: Path.t(),
          holder: pid()
        }
  @type component :: Processes.component()

  @start_deadline 60_000

  @doc """
  Starts both on free ports with new certificates and an empty store, and waits until the API is ready.

  `:apiserver` and `:etcd` are lists of further arguments of the two; `audit: true` makes the server write down what
  service accounts ask, for `requests/2`.
  """
  @spec start!(apiserver: [String.t()], etcd: [String.t()], audit: boolean()) :: t()
  def start!(opts \\ []) do
    dir = Path.join(System.tmp_dir!(), "kube-apiserver-#{System.pid()}-#{System.unique_integer([:positive])}")
    File.mkdir_p!(dir)
    [port, etcd_port, peer_port] = Processes.free_ports(3)
    token = random_token()
    Credentials.write!(dir, token)

    commands = Processes.commands(dir, {port, etcd_port, peer_port}, opts)
    {:ok, holder} = Processes.start(self(), dir, commands)

    server = %__MODULE__{
      url: "https://127.0.0.1:#{port}",
      etcd_url: "http://127.0.0.1:#{etcd_port}",
      admin_token: token,
      ca: Path.join(dir, "ca.crt"),
      dir: dir,
      holder: holder
    }

    try do
      start_etcd(server)
      start_apiserver(server)
      server
    rescue
      error ->
        stop(server)
        reraise error, __STACKTRACE__
    end
  end

  @doc "Ends both and removes their folder."
  @spec stop(t()) :: :ok
  def stop(server) do
    # Not GenServer.stop/1: the end of the process that started it may have come first.
    monitor = Process.monitor(server.holder)
    GenServer.cast(server.holder, :stop)

    receive do
      {:DOWN, ^monitor, _, _, _} -> :ok
    after
      30_000 -> raise "the real API server does not end"
    end
  end

  @doc "Kills the API server: its connections break, and new ones are refused."
  def stop_apiserver(server), do: GenServer.call(server.holder, {:stop, :apiserver}, 30_000)

  @doc "Starts the API server again, at the same address with the same data, and waits until it is ready."
  def start_apiserver(server) do
    :ok = GenServer.call(server.holder, {:start, :apiserver})
    await_ready(server, :apiserver, fn -> match?({:ok, 200, _}, Admin.try_request(server, :get, "/readyz")) end)
  end

  @doc "Kills etcd: the API server stays and answers with errors, or from its cache."
  def stop_etcd(server), do: GenServer.call(server.holder, {:stop, :etcd}, 30_000)

  @doc "Starts etcd again, with the same data, and waits until it is healthy."
  def start_etcd(server) do
    :ok = GenServer.call(server.holder, {:start, :etcd})

    await_ready(server, :etcd, fn ->
      match?(
        {:ok, {{_, 200, _}, _, _}},
        :httpc.request(:get, {~c"#{server.etcd_url}/health", []}, [timeout: 1_000], [])
      )
    end)
  end

  @doc "The operating system's id of a process, or nil while it does not run."
  @spec os_pid(t(), component()) :: pos_integer() | nil
  def os_pid(server, component), do: GenServer.call(server.holder, {:os_pid, component})

  @doc "Forgets etcd's history up to now, so that older resource versions are gone (410)."
  def compact!(server) do
    %{"header" => %{"revision" => revision}} = Admin.etcd!(server, "/v3/kv/range", %{key: Base.encode64(<<0>>)})
    Admin.etcd!(server, "/v3/kv/compaction", %{revision: revision, physical: true})
    :ok
  end

  @doc "For `setup_all`: the context with one that serves all sources and is stopped after the module's last test."
  def setup_all(opts \\ []) do
    server = start!(opts)
    on_exit(fn -> stop(server) end)
    Objects.endpointslices_crd!(server)
    %{server: server}
  end

  ## What tests ask of it

  defdelegate requests(server, namespace), to: Audit

  defdelegate create!(server, path, object), to: Admin
  defdelegate get!(server, path), to: Admin
  defdelegate put!(server, path, object), to: Admin
  defdelegate patch!(server, path, patch), to: Admin
  defdelegate delete!(server, path, options \\ %{}), to: Admin
  defdelegate raw!(server, method, path, body \\ nil), to: Admin
  defdelegate apply!(server, collection, object), to: Admin
  defdelegate apply_yaml!(server, namespace, object, yaml), to: Admin

  defdelegate namespace!(server, namespace), to: Objects
  defdelegate endpoints!(server, namespace, name, ips, opts \\ []), to: Objects
  defdelegate delete_endpoints!(server, namespace, name), to: Objects
  defdelegate pod!(server, namespace, name, opts \\ []), to: Objects
  defdelegate pods!(server, namespace, pods), to: Objects
  defdelegate delete_pod!(server, namespace, name, grace_period_seconds \\ 0), to: Objects
  defdelegate endpointslices_crd!(server), to: Objects
  defdelegate endpoint_slice!(server, namespace, name, endpoints, opts \\ []), to: Objects

  defdelegate service_account!(server, namespace, name), to: Access
  defdelegate token!(server, namespace, name, seconds \\ 600), to: Access
  defdelegate write_token!(folder, token), to: Access
  defdelegate grant!(server, namespace, name, rules), to: Access
  defdelegate grant_everywhere!(server, namespace, name, rules), to: Access
  defdelegate revoke!(server, namespace, name), to: Access
  defdelegate restore!(server, namespace, name), to: Access

  @doc "Another CA, which signed nothing here, in PEM."
  def other_ca, do: Credentials.certificates().ca

  defp await_ready(server, component, ready?) do
    until = now() + @start_deadline

    Topology.wait_until(
      fn -> ready?.() or os_pid(server, component) == nil or now() > until end,
      @start_deadline + 10_000
    )

    unless ready?.(), do: raise("#{component} is not ready: #{Processes.log_tail(server.dir, component)}")
    :ok
  end

  defp now, do: System.monotonic_time(:millisecond)

  defp random_token, do: Base.encode16(:crypto.strong_rand_bytes(16), case: :lower)
end
