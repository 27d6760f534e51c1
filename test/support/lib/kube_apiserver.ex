defmodule LibclusterKubernetes.Test.KubeApiserver do
  @moduledoc """
  A real kube-apiserver with its etcd, from the folder in `KUBEBUILDER_ASSETS`, and the calls that tests make as its
  admin. RBAC is on and tokens are real; there is no scheduler, no kubelet and no controller, so a test says itself what
  is in Endpoints and in the status of pods.

  Both processes end with the process that called `start!/1`, and with the VM, even when that is killed.
  """

  use GenServer

  import ExUnit.Callbacks, only: [on_exit: 1]

  alias LibclusterKubernetes.Test.{JSON, Topology}

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
  @type component :: :etcd | :apiserver

  @start_deadline 60_000

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

  ## The processes

  @doc """
  Starts both on free ports with new certificates and an empty store, and waits until the API is ready.

  `:apiserver` and `:etcd` are lists of further arguments of the two; `audit: true` makes the server write down what
  service accounts ask, for `requests/2`.
  """
  @spec start!(apiserver: [String.t()], etcd: [String.t()], audit: boolean()) :: t()
  def start!(opts \\ []) do
    dir = Path.join(System.tmp_dir!(), "kube-apiserver-#{System.pid()}-#{System.unique_integer([:positive])}")
    File.mkdir_p!(dir)
    [port, etcd_port, peer_port] = free_ports(3)
    token = random_token()
    write_credentials!(dir, token)

    commands = %{
      etcd: etcd(dir, etcd_port, peer_port) ++ Keyword.get(opts, :etcd, []),
      apiserver: apiserver(dir, port, etcd_port) ++ audit(dir, opts[:audit]) ++ Keyword.get(opts, :apiserver, [])
    }

    {:ok, holder} = GenServer.start(__MODULE__, {self(), dir, commands})

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
    await_ready(server, :apiserver, fn -> match?({:ok, 200, _}, try_request(server, :get, "/readyz")) end)
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
    %{"header" => %{"revision" => revision}} = etcd!(server, "/v3/kv/range", %{key: Base.encode64(<<0>>)})
    etcd!(server, "/v3/kv/compaction", %{revision: revision, physical: true})
    :ok
  end

  @typedoc """
  What a service account asked: the verb (`"list"`, `"watch"`, …), the path with its query, when it arrived, the HTTP
  status, nil until it is written down, and whether the answer has ended. What a kill of the server cuts never ends.
  """
  @type request :: %{
          verb: String.t(),
          uri: String.t(),
          at: DateTime.t(),
          status: 100..599 | nil,
          ended?: boolean()
        }

  @doc """
  Every request of service accounts in a namespace, oldest first, across restarts of a server that was started with
  `audit: true`: the server writes each down before it answers.
  """
  @spec requests(t(), String.t()) :: [request()]
  def requests(server, namespace) do
    # What follows the last line feed is still being written.
    lines = server.dir |> audit_log() |> File.read!() |> String.split("\n") |> Enum.drop(-1)

    lines
    |> Enum.filter(&String.contains?(&1, ~s("namespace":"#{namespace}")))
    |> Enum.map(&JSON.decode!/1)
    |> Enum.group_by(& &1["auditID"])
    |> Enum.map(fn {_id, stages} -> request(stages) end)
    |> Enum.sort_by(& &1.at, DateTime)
  end

  ## The API, as the admin

  @doc "Creates an object in the collection at `path`, and answers it as the server stored it."
  def create!(server, path, object), do: request!(server, :post, path, object)

  @doc "The object or list at `path`."
  def get!(server, path), do: request!(server, :get, path)

  @doc "Replaces the object at `path`."
  def put!(server, path, object), do: request!(server, :put, path, object)

  @doc "Merges into the object at `path`."
  def patch!(server, path, patch), do: request!(server, :patch, path, patch)

  @doc "Deletes the object at `path`; `options` are those of the API, such as `%{gracePeriodSeconds: 30}`."
  def delete!(server, path, options \\ %{}), do: request!(server, :delete, path, options)

  @doc "The answer to any request; a body that is a binary is JSON already. Raises unless the status is 2xx."
  @spec raw!(t(), atom(), String.t(), map() | binary() | nil) :: binary()
  def raw!(server, method, path, body \\ nil) do
    server |> try_request(method, path, body) |> body!(method, path)
  end

  @doc "Creates an object, or merges it into the one that there is."
  def apply!(server, collection, %{metadata: %{name: name}} = object) do
    case try_request(server, :post, collection, object) do
      {:ok, 409, _} -> patch!(server, "#{collection}/#{name}", object)
      answer -> answer!(answer, :post, collection)
    end
  end

  @doc """
  Applies an object as it is written, in YAML, as `kubectl apply --server-side -n NAMESPACE` does: a field that the API
  does not know is refused. `object` is the same, read.
  """
  def apply_yaml!(server, namespace, object, yaml) do
    namespace = object["metadata"]["namespace"] || namespace
    path = "#{collection(object, namespace)}/#{object["metadata"]["name"]}?fieldManager=test&force=true"
    server |> send_request(:patch, path, ~c"application/apply-patch+yaml", yaml) |> answer!(:patch, path)
  end

  @doc "Creates a namespace, unless there is one."
  def namespace!(server, namespace) do
    apply!(server, "/api/v1/namespaces", %{apiVersion: "v1", kind: "Namespace", metadata: %{name: namespace}})
  end

  @doc """
  Creates a namespace and a ServiceAccount in it, and answers a folder as the kubelet mounts it: `ca.crt`, `namespace`
  and `token`, a real bound token.
  """
  @spec service_account!(t(), String.t(), String.t()) :: Path.t()
  def service_account!(server, namespace, name) do
    namespace!(server, namespace)

    apply!(server, "/api/v1/namespaces/#{namespace}/serviceaccounts", %{
      apiVersion: "v1",
      kind: "ServiceAccount",
      metadata: %{name: name}
    })

    folder = Path.join([server.dir, "serviceaccounts", namespace, name])
    File.mkdir_p!(folder)
    File.cp!(server.ca, Path.join(folder, "ca.crt"))
    File.write!(Path.join(folder, "namespace"), namespace)
    write_token!(folder, token!(server, namespace, name))
    folder
  end

  @doc "A new bound token of a ServiceAccount, by TokenRequest. Ten minutes are the shortest life that the API gives."
  def token!(server, namespace, name, seconds \\ 600) do
    path = "/api/v1/namespaces/#{namespace}/serviceaccounts/#{name}/token"
    request = %{apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest", spec: %{expirationSeconds: seconds}}
    create!(server, path, request)["status"]["token"]
  end

  @doc "Replaces the token in a service account's folder, at once as the kubelet does."
  def write_token!(folder, token) do
    File.write!(Path.join(folder, "token.new"), token)
    File.rename!(Path.join(folder, "token.new"), Path.join(folder, "token"))
  end

  @doc "Another CA, which signed nothing here, in PEM."
  def other_ca, do: certificates().ca

  @doc """
  Allows a ServiceAccount what `rules` say in its namespace, by a Role and a RoleBinding of its name, and waits until
  that is in force. A rule is as in the API: `%{apiGroups: [""], resources: ["endpoints"], verbs: ["list"]}`.
  """
  def grant!(server, namespace, name, rules) do
    role = %{apiVersion: "rbac.authorization.k8s.io/v1", kind: "Role", metadata: %{name: name}, rules: rules}
    apply!(server, rbac(namespace, "roles"), role)
    bind!(server, namespace, name)
    await_access(server, namespace, name, rules, true)
  end

  @doc "Takes back what `grant!/4` allowed, by deleting the RoleBinding, and waits until that is in force."
  def revoke!(server, namespace, name) do
    %{"rules" => rules} = get!(server, "#{rbac(namespace, "roles")}/#{name}")
    delete!(server, "#{rbac(namespace, "rolebindings")}/#{name}")
    await_access(server, namespace, name, rules, false)
  end

  @doc "Binds the Role again that `revoke!/3` left without its RoleBinding, and waits until that is in force."
  def restore!(server, namespace, name) do
    %{"rules" => rules} = get!(server, "#{rbac(namespace, "roles")}/#{name}")
    bind!(server, namespace, name)
    await_access(server, namespace, name, rules, true)
  end

  @doc """
  Creates or replaces an Endpoints object with these ready addresses.

  Options: `:labels` (`%{app: "app"}`), `:not_ready` (addresses). An address is an IP, or `{ip, hostname}`.
  """
  def endpoints!(server, namespace, name, ips, opts \\ []) do
    subset = %{
      addresses: Enum.map(ips, &address/1),
      notReadyAddresses: opts |> Keyword.get(:not_ready, []) |> Enum.map(&address/1),
      ports: [%{port: 4369}]
    }

    put!(server, "/api/v1/namespaces/#{namespace}/endpoints/#{name}", %{
      apiVersion: "v1",
      kind: "Endpoints",
      metadata: %{name: name, labels: Keyword.get(opts, :labels, %{app: "app"})},
      subsets: if(subset.addresses ++ subset.notReadyAddresses == [], do: [], else: [subset])
    })
  end

  def delete_endpoints!(server, namespace, name) do
    delete!(server, "/api/v1/namespaces/#{namespace}/endpoints/#{name}")
  end

  @doc """
  Creates a pod and sets its status.

  Options: `:ip` (none), `:ips` (all addresses of a dual-stack pod), `:phase` (`"Running"`), `:ready` (`true`, `false`,
  or nil for a pod without the condition; `true`), `:labels` (`%{app: "app"}`), `:hostname`, `:subdomain`.
  """
  def pod!(server, namespace, name, opts \\ []) do
    pods = "/api/v1/namespaces/#{namespace}/pods"

    create!(server, pods, %{
      apiVersion: "v1",
      kind: "Pod",
      metadata: %{name: name, labels: Keyword.get(opts, :labels, %{app: "app"})},
      # On a node, or a deletion would not wait for the grace period.
      spec: %{
        nodeName: "worker",
        hostname: Keyword.get(opts, :hostname, ""),
        subdomain: Keyword.get(opts, :subdomain, ""),
        containers: [%{name: "app", image: "app"}]
      }
    })

    patch!(server, "#{pods}/#{name}/status", %{status: pod_status(opts)})
  end

  @doc "Creates many pods, given as `{name, opts}`, in parallel."
  def pods!(server, namespace, pods) do
    pods
    |> Task.async_stream(fn {name, opts} -> pod!(server, namespace, name, opts) end,
      max_concurrency: 16,
      ordered: false,
      timeout: 60_000
    )
    |> Stream.run()
  end

  @doc "Deletes a pod. With a grace period it stays, terminating, since no kubelet ends it; with 0 it is gone."
  def delete_pod!(server, namespace, name, grace_period_seconds \\ 0) do
    delete!(server, "/api/v1/namespaces/#{namespace}/pods/#{name}", %{gracePeriodSeconds: grace_period_seconds})
  end

  @doc "For `setup_all`: the context with one that serves all sources and is stopped after the module's last test."
  def setup_all(opts \\ []) do
    server = start!(opts)
    on_exit(fn -> stop(server) end)
    endpointslices_crd!(server)
    %{server: server}
  end

  @doc """
  Makes this server, which is older than discovery.k8s.io/v1, store and serve its EndpointSlices, and waits until it
  does.
  """
  def endpointslices_crd!(server) do
    apply!(server, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", %{
      apiVersion: "apiextensions.k8s.io/v1",
      kind: "CustomResourceDefinition",
      metadata: %{
        name: "endpointslices.discovery.k8s.io",
        annotations: %{"api-approved.kubernetes.io": "unapproved, test"}
      },
      spec: %{
        group: "discovery.k8s.io",
        scope: "Namespaced",
        names: %{
          kind: "EndpointSlice",
          listKind: "EndpointSliceList",
          plural: "endpointslices",
          singular: "endpointslice"
        },
        versions: [
          %{
            name: "v1",
            served: true,
            storage: true,
            schema: %{openAPIV3Schema: %{type: "object", "x-kubernetes-preserve-unknown-fields": true}}
          }
        ]
      }
    })

    list = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
    Topology.wait_until(fn -> match?({:ok, 200, _}, try_request(server, :get, list)) end, 30_000)
  end

  @doc """
  Creates or changes an EndpointSlice, after `endpointslices_crd!/1`. `endpoints` are as in the API:
  `%{addresses: ["10.0.0.1"], conditions: %{ready: true}}`. Options: `:labels` (`%{app: "app"}`), `:address_type`.
  """
  def endpoint_slice!(server, namespace, name, endpoints, opts \\ []) do
    apply!(server, "/apis/discovery.k8s.io/v1/namespaces/#{namespace}/endpointslices", %{
      apiVersion: "discovery.k8s.io/v1",
      kind: "EndpointSlice",
      metadata: %{name: name, labels: Keyword.get(opts, :labels, %{app: "app"})},
      addressType: Keyword.get(opts, :address_type, "IPv4"),
      endpoints: endpoints,
      ports: []
    })
  end

  ## The process that holds the two ports: a restart by a test must not end with that test

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

  defp await_ready(server, component, ready?) do
    until = now() + @start_deadline

    Topology.wait_until(
      fn -> ready?.() or os_pid(server, component) == nil or now() > until end,
      @start_deadline + 10_000
    )

    unless ready?.(), do: raise("#{component} is not ready: #{log_tail(server, component)}")
    :ok
  end

  defp now, do: System.monotonic_time(:millisecond)

  defp log_tail(server, component) do
    server.dir |> log_file(component) |> File.read!() |> String.split("\n") |> Enum.take(-20) |> Enum.join("\n")
  end

  defp log_file(dir, component), do: Path.join(dir, "#{component}.log")

  ## What they are started with

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

  defp audit(dir, true) do
    policy = %{
      apiVersion: "audit.k8s.io/v1",
      kind: "Policy",
      rules: [%{level: "Metadata", userGroups: ["system:serviceaccounts"]}, %{level: "None"}]
    }

    File.write!(Path.join(dir, "audit-policy.json"), JSON.encode(policy))
    # It appears with the first request.
    File.write!(audit_log(dir), "")
    ["--audit-policy-file=#{dir}/audit-policy.json", "--audit-log-path=#{audit_log(dir)}"]
  end

  defp audit(_dir, _no), do: []

  defp audit_log(dir), do: Path.join(dir, "audit.log")

  # One event for each stage of a request.
  defp request([event | _] = stages) do
    {:ok, at, 0} = DateTime.from_iso8601(event["requestReceivedTimestamp"])

    %{
      verb: event["verb"],
      uri: event["requestURI"],
      at: at,
      status: Enum.find_value(stages, & &1["responseStatus"]["code"]),
      ended?: Enum.any?(stages, &(&1["stage"] == "ResponseComplete"))
    }
  end

  defp asset(name), do: "KUBEBUILDER_ASSETS" |> System.fetch_env!() |> Path.join(name) |> Path.expand()

  # Below those that the system gives to outgoing connections: nobody may take the API server's while it is away.
  defp free_ports(count) do
    20_000..32_000
    |> Enum.shuffle()
    |> Stream.filter(fn port ->
      with {:ok, socket} <- :gen_tcp.listen(port, ip: {127, 0, 0, 1}),
           do: :gen_tcp.close(socket) == :ok,
           else: (_ -> false)
    end)
    |> Enum.take(count)
  end

  defp write_credentials!(dir, token) do
    certificates = certificates()
    key = :public_key.generate_key({:rsa, 2048, 65_537})
    {:RSAPrivateKey, _, modulus, exponent, _, _, _, _, _, _, _} = key
    public_key = :public_key.pem_entry_encode(:SubjectPublicKeyInfo, {:RSAPublicKey, modulus, exponent})

    for {file, text} <- [
          {"ca.crt", certificates.ca},
          {"server.crt", certificates.certificate},
          {"server.key", certificates.key},
          {"sa.key", :public_key.pem_encode([:public_key.pem_entry_encode(:RSAPrivateKey, key)])},
          {"sa.pub", :public_key.pem_encode([public_key])},
          {"tokens.csv", ~s(#{token},admin,admin,"system:masters"\n)}
        ] do
      File.write!(Path.join(dir, file), text)
    end
  end

  defp certificates do
    names = [
      dNSName: ~c"localhost",
      dNSName: ~c"kubernetes.default.svc.cluster.local",
      iPAddress: <<127, 0, 0, 1>>
    ]

    subject_alt_name = {:Extension, {2, 5, 29, 17}, false, names}

    # Of the others each OTP writes one against its standard: with parameters that rustls refuses (ECDSA), or without those
    # that Go misses (RSA, OTP 29).
    key = [key: {:namedCurve, :ed25519}, digest: :none]
    chain = %{root: key, intermediates: [], peer: [{:extensions, [subject_alt_name]} | key]}
    made = :public_key.pkix_test_data(%{server_chain: chain, client_chain: %{root: [], intermediates: [], peer: []}})

    certificate = made.server_config[:cert]
    [authority] = Enum.filter(made.client_config[:cacerts], &:public_key.pkix_is_issuer(certificate, &1))

    %{
      ca: :public_key.pem_encode([{:Certificate, authority, :not_encrypted}]),
      certificate: :public_key.pem_encode([{:Certificate, certificate, :not_encrypted}]),
      key: :public_key.pem_encode([{:PrivateKeyInfo, ed25519(made.server_config[:key]), :not_encrypted}])
    }
  end

  # In the form of RFC 8410, the only one that others read.
  defp ed25519({:ECPrivateKey, der}) do
    <<private::binary-size(32)>> = :ECPrivateKey |> :public_key.der_decode(der) |> elem(2)
    <<0x302E020100300506032B657004220420::128, private::binary>>
  end

  defp random_token, do: Base.encode16(:crypto.strong_rand_bytes(16), case: :lower)

  ## RBAC

  defp bind!(server, namespace, name) do
    apply!(server, rbac(namespace, "rolebindings"), %{
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "RoleBinding",
      metadata: %{name: name},
      roleRef: %{apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: name},
      subjects: [%{kind: "ServiceAccount", name: name, namespace: namespace}]
    })
  end

  # The authorizer sees roles through a cache.
  defp await_access(server, namespace, name, rules, allowed?) do
    # Through JSON, to have string keys whether the rules come from a test or from the server.
    rules = rules |> JSON.encode() |> JSON.decode!()

    for rule <- rules, group <- rule["apiGroups"], resource <- rule["resources"], verb <- rule["verbs"] do
      review = %{
        apiVersion: "authorization.k8s.io/v1",
        kind: "SubjectAccessReview",
        spec: %{
          user: "system:serviceaccount:#{namespace}:#{name}",
          groups: ["system:serviceaccounts", "system:serviceaccounts:#{namespace}", "system:authenticated"],
          resourceAttributes: %{namespace: namespace, group: group, resource: resource, verb: verb}
        }
      }

      path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
      Topology.wait_until(fn -> create!(server, path, review)["status"]["allowed"] == allowed? end)
    end

    :ok
  end

  defp rbac(namespace, resource), do: "/apis/rbac.authorization.k8s.io/v1/namespaces/#{namespace}/#{resource}"

  ## Objects

  defp address({ip, hostname}), do: %{ip: ip, hostname: hostname}
  defp address(ip), do: %{ip: ip}

  defp pod_status(opts) do
    %{phase: Keyword.get(opts, :phase, "Running")}
    |> Map.merge(pod_ips(opts[:ip], opts[:ips]))
    |> Map.merge(ready_condition(Keyword.get(opts, :ready, true)))
  end

  defp pod_ips(nil, nil), do: %{}
  defp pod_ips(ip, nil), do: pod_ips(ip, [ip])
  defp pod_ips(ip, [first | _] = ips), do: %{podIP: ip || first, podIPs: Enum.map(ips, &%{ip: &1})}

  defp ready_condition(nil), do: %{}
  defp ready_condition(true), do: %{conditions: [%{type: "Ready", status: "True"}]}
  defp ready_condition(false), do: %{conditions: [%{type: "Ready", status: "False"}]}

  ## HTTP

  defp request!(server, method, path, body \\ nil) do
    server |> try_request(method, path, body) |> answer!(method, path)
  end

  defp answer!(answer, method, path), do: answer |> body!(method, path) |> JSON.decode!()

  defp body!({:ok, status, body}, _method, _path) when status in 200..299, do: body
  defp body!({:ok, status, body}, method, path), do: raise("#{method} #{path}: HTTP #{status}: #{body}")
  defp body!({:error, reason}, method, path), do: raise("#{method} #{path}: #{inspect(reason)}")

  defp try_request(server, method, path, body \\ nil)
  defp try_request(server, method, path, nil), do: send_request(server, method, path, nil, nil)

  defp try_request(server, method, path, body) do
    send_request(server, method, path, content_type(method), encode(body))
  end

  defp send_request(server, method, path, type, body) do
    url = String.to_charlist(server.url <> path)
    headers = [{~c"authorization", ~c"Bearer #{server.admin_token}"}]
    request = if body == nil, do: {url, headers}, else: {url, headers, type, body}
    # OTP's check of a certificate takes an address for a name; the server's has both.
    tls = [verify: :verify_peer, cacertfile: server.ca, server_name_indication: ~c"localhost"]

    case :httpc.request(method, request, [timeout: 30_000, ssl: tls], [body_format: :binary], profile()) do
      {:ok, {{_, status, _}, _, body}} -> {:ok, status, body}
      # A kept connection that the server closed meanwhile: nothing was done.
      {:error, :socket_closed_remotely} when method != :post -> {:error, :closed}
      {:error, reason} -> {:error, reason}
    end
  end

  defp encode(body) when is_binary(body), do: body
  defp encode(body), do: JSON.encode(body)

  defp content_type(:patch), do: ~c"application/merge-patch+json"
  defp content_type(_), do: ~c"application/json"

  # https://kubernetes.io/docs/reference/using-api/#api-groups; the plurals of our kinds are regular but for one.
  defp collection(%{"apiVersion" => version, "kind" => kind}, namespace) do
    root = if version == "v1", do: "/api/v1", else: "/apis/#{version}"
    plural = kind |> String.downcase() |> String.replace_suffix("y", "ie")
    "#{root}/namespaces/#{namespace}/#{plural}s"
  end

  # Keeps its connections, as many as there are callers in parallel.
  defp profile do
    with {:ok, _} <- :inets.start(:httpc, profile: __MODULE__) do
      :ok = :httpc.set_options([max_sessions: 32, keep_alive_timeout: 60_000], __MODULE__)
    end

    __MODULE__
  end

  defp etcd!(server, path, body) do
    request = {~c"#{server.etcd_url}#{path}", [], ~c"application/json", JSON.encode(body)}
    {:ok, {{_, 200, _}, _, answer}} = :httpc.request(:post, request, [timeout: 10_000], body_format: :binary)
    JSON.decode!(answer)
  end
end
