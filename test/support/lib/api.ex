defmodule LibclusterKubernetes.Test.Api do
  @moduledoc """
  One source (Endpoints, EndpointSlices or Pods) on a server, the fake one or the real one, with a service account that
  may list and watch it: the same calls for both, so that the same scenarios run against both.

  A member is an IP address, `{ip, :draining}` (not in Endpoints), or on the fake server `{ip, :not_ready}`. The real server needs `audit: true` and, for EndpointSlices,
  `KubeApiserver.endpointslices_crd!/1`.
  """

  alias LibclusterKubernetes.Test.{FakeApiserver, JSON, KubeApiserver, Topology}

  @enforce_keys [:server, :source, :namespace, :url, :service_account]
  defstruct @enforce_keys

  @account "app"

  @type source :: :endpoints | :endpoint_slices | :pods
  @type member :: String.t() | {String.t(), :draining | :not_ready}

  @spec new(%FakeApiserver{} | KubeApiserver.t(), source()) :: %__MODULE__{}
  def new(%FakeApiserver{} = server, source) do
    folder = Path.join(server.dir, "account-#{source}")
    File.cp_r!(server.service_account, folder)
    File.write!(Path.join(folder, "token"), token(source))
    api = %__MODULE__{server: server, source: source, namespace: "default", url: server.url, service_account: folder}
    grant(api, ["list", "watch"])
    api
  end

  def new(%KubeApiserver{} = server, source) do
    namespace = "test-#{System.unique_integer([:positive])}"
    folder = KubeApiserver.service_account!(server, namespace, @account)
    api = %__MODULE__{server: server, source: source, namespace: namespace, url: server.url, service_account: folder}
    grant(api, ["list", "watch"])
    api
  end

  @doc "Allows the service account these verbs and no others, and returns when that is in force."
  def grant(%{server: %FakeApiserver{}} = api, verbs) do
    rules = [%{verbs: verbs, resources: [resource(api.source)], namespaces: [api.namespace]}]
    FakeApiserver.token(api.server, token(api.source), rules)
  end

  def grant(%{server: %KubeApiserver{}} = api, verbs) do
    rules = [%{apiGroups: [group(api.source)], resources: [resource(api.source)], verbs: verbs}]
    KubeApiserver.grant!(api.server, api.namespace, @account, rules)
  end

  ## Objects

  @doc "Makes these, and no others, the members: all in one object called `app`, or one pod for each."
  @spec members(%__MODULE__{}, [member()]) :: :ok
  def members(%{source: :pods} = api, members) do
    known = MapSet.new(pods(api))
    wanted = Map.new(members, &{pod_name(&1), &1})
    for name <- known, not is_map_key(wanted, name), do: delete(api, name)

    # What is there is written again on the fake server only, to which an equal object is no change.
    for {name, member} <- wanted,
        name not in known or match?({_, :draining}, member) or match?(%FakeApiserver{}, api.server) do
      put(api, name, [member])
    end

    :ok
  end

  def members(api, members), do: put(api, "app", members)

  @doc """
  Creates or replaces an object. A pod has one member; it is created, or set draining when it is there.

  Options: `:namespace`, `:labels` (`%{app: "app"}`).
  """
  @spec put(%__MODULE__{}, String.t(), [member()], keyword()) :: :ok
  def put(api, name, members, opts \\ []) do
    namespace = Keyword.get(opts, :namespace, api.namespace)
    write(api.server, api.source, namespace, name, members, Keyword.get(opts, :labels, %{app: "app"}))
    :ok
  end

  @doc "Deletes an object; a pod without a grace period."
  def delete(%{server: %FakeApiserver{}} = api, name) do
    FakeApiserver.delete(api.server, resource(api.source), api.namespace, name)
  end

  def delete(%{server: %KubeApiserver{}, source: :pods} = api, name) do
    KubeApiserver.delete_pod!(api.server, api.namespace, name)
  end

  def delete(%{server: %KubeApiserver{}} = api, name), do: KubeApiserver.delete!(api.server, path(api, name))

  @doc "Changes the label `app` of an object, and nothing else."
  def label(%{server: %FakeApiserver{}} = api, name, app) do
    object = Enum.find(objects(api), &(&1["metadata"]["name"] == name))
    object = put_in(object["metadata"]["labels"], %{app: app})
    FakeApiserver.put(api.server, resource(api.source), api.namespace, name, object)
  end

  def label(%{server: %KubeApiserver{}} = api, name, app) do
    KubeApiserver.patch!(api.server, path(api, name), %{metadata: %{labels: %{app: app}}})
  end

  @doc "The path of an object on the real server."
  def path(api, name), do: "#{collection(api)}/#{name}"

  @doc "Creates a namespace, where that is needed."
  def namespace(%{server: %FakeApiserver{}}, _namespace), do: :ok
  def namespace(%{server: %KubeApiserver{}} = api, namespace), do: KubeApiserver.namespace!(api.server, namespace)

  ## What the server was asked

  @doc "How many lists it was asked for."
  def lists(api), do: asked(api, "list")

  @doc "How many watches it was asked for."
  def watches(api), do: asked(api, "watch")

  @doc "How many watches are open; on the fake one those of all sources, on the real one for as long as it runs."
  def watches_open(%{server: %FakeApiserver{}} = api), do: FakeApiserver.summary(api.server)["watches_open"]

  def watches_open(%{server: %KubeApiserver{}} = api) do
    api.server
    |> KubeApiserver.requests(api.namespace)
    |> Enum.count(&(&1.verb == "watch" and not &1.ended?))
  end

  @doc "Whether the last thing that it was asked for is a watch that goes on."
  def watching?(%{server: %FakeApiserver{}} = api) do
    match?(%{"watch" => true, "status" => 200}, List.last(journal(api)))
  end

  def watching?(%{server: %KubeApiserver{}} = api) do
    match?(%{verb: "watch", ended?: false}, List.last(KubeApiserver.requests(api.server, api.namespace)))
  end

  @doc "Waits until so many watches are open."
  def await_watches_open(api, count, deadline \\ 10_000) do
    Topology.wait_until(fn -> watches_open(api) == count end, deadline)
  end

  ## What happens to the server

  @doc """
  Breaks every watch, calls `meanwhile`, and forgets the history, so that no watch can go on from where it was. On the
  real server this is a restart: its cache of what happened begins anew.
  """
  def expire(%FakeApiserver{} = server, meanwhile) do
    FakeApiserver.faults(server, [%{at: "request", verb: "watch", do: %{status: %{code: 503}}}])
    control(server, :post, "/watches/cut")
    meanwhile.()
    control(server, :post, "/compact")
    FakeApiserver.no_faults(server)
  end

  def expire(%KubeApiserver{} = server, meanwhile) do
    # The history goes on, so that the version of every watch is an older one.
    KubeApiserver.namespace!(server, "test-#{System.unique_integer([:positive])}")
    KubeApiserver.compact!(server)
    KubeApiserver.stop_apiserver(server)
    KubeApiserver.start_apiserver(server)
    meanwhile.()
  end

  @doc "Makes the server say nothing to its watches, though they stay open. The real one has nothing to say by itself."
  def silence(%FakeApiserver{} = server), do: control(server, :put, "/watches/silent", true)
  def silence(%KubeApiserver{}), do: :ok

  @doc "A request to the control port of the fake server."
  def control(server, method, path, body \\ nil) do
    url = String.to_charlist(server.control <> path)

    request =
      if method == :get,
        do: {url, []},
        else: {url, [], ~c"application/json", if(body == nil, do: "", else: JSON.encode(body))}

    {:ok, {{_, 200, _}, _, answer}} = :httpc.request(method, request, [timeout: 10_000], body_format: :binary)
    JSON.decode!(answer)
  end

  ## Below

  defp asked(%{server: %FakeApiserver{}} = api, verb) do
    Enum.count(journal(api), &(&1["watch"] == true == (verb == "watch")))
  end

  defp asked(%{server: %KubeApiserver{}} = api, verb) do
    Enum.count(KubeApiserver.requests(api.server, api.namespace), &(&1.verb == verb))
  end

  defp journal(api) do
    Enum.filter(FakeApiserver.journal(api.server), &String.ends_with?(&1["path"], "/#{resource(api.source)}"))
  end

  defp write(%FakeApiserver{} = server, source, namespace, name, members, labels) do
    FakeApiserver.put(server, resource(source), namespace, name, object(source, members, labels))
  end

  defp write(%KubeApiserver{} = server, :endpoints, namespace, name, members, labels) do
    KubeApiserver.endpoints!(server, namespace, name, members, labels: labels)
  end

  defp write(%KubeApiserver{} = server, :endpoint_slices, namespace, name, members, labels) do
    KubeApiserver.endpoint_slice!(server, namespace, name, Enum.map(members, &endpoint/1), labels: labels)
  end

  # No kubelet ends it.
  defp write(%KubeApiserver{} = server, :pods, namespace, name, [{_ip, :draining}], _labels) do
    KubeApiserver.delete_pod!(server, namespace, name, 300)
  end

  defp write(%KubeApiserver{} = server, :pods, namespace, name, [ip], labels) do
    KubeApiserver.pod!(server, namespace, name, ip: ip, labels: labels)
  end

  @doc "An object with these members, without its name; a pod has one."
  def object(source, members, labels \\ %{app: "app"})

  def object(:endpoints, members, labels) do
    {not_ready, ready} = Enum.split_with(members, &match?({_, :not_ready}, &1))
    FakeApiserver.endpoints(ready, labels: labels, not_ready: Enum.map(not_ready, &elem(&1, 0)))
  end

  def object(:endpoint_slices, members, labels) do
    %{metadata: %{labels: labels}, addressType: "IPv4", endpoints: Enum.map(members, &endpoint/1)}
  end

  def object(:pods, [{ip, :draining}], labels) do
    put_in(object(:pods, [ip], labels), [:metadata, :deletionTimestamp], "2026-01-01T00:00:00Z")
  end

  def object(:pods, [{ip, :not_ready}], labels), do: pod(ip, labels, "False")
  def object(:pods, [ip], labels), do: pod(ip, labels, "True")

  defp pod(ip, labels, ready) do
    status = %{phase: "Running", podIP: ip, podIPs: [%{ip: ip}], conditions: [%{type: "Ready", status: ready}]}
    %{metadata: %{labels: labels}, spec: %{hostname: FakeApiserver.hostname(ip)}, status: status}
  end

  defp endpoint({ip, :draining}), do: endpoint(ip, %{ready: false, serving: true, terminating: true})
  defp endpoint({ip, :not_ready}), do: endpoint(ip, %{ready: false, serving: false, terminating: false})
  defp endpoint(ip), do: endpoint(ip, %{ready: true, serving: true, terminating: false})

  defp endpoint(ip, conditions), do: %{addresses: [ip], hostname: FakeApiserver.hostname(ip), conditions: conditions}

  defp pods(api), do: Enum.map(objects(api), & &1["metadata"]["name"])

  @doc "The objects of the source, as the server has them."
  def objects(%{server: %FakeApiserver{}} = api) do
    api.server
    |> control(:get, "/objects/#{resource(api.source)}")
    |> Enum.filter(&(&1["metadata"]["namespace"] == api.namespace))
  end

  def objects(%{server: %KubeApiserver{}} = api), do: KubeApiserver.get!(api.server, collection(api))["items"]

  @doc "What the pod of a member is called."
  def pod_name({ip, _condition}), do: pod_name(ip)
  def pod_name(ip), do: "pod-#{String.replace(ip, ".", "-")}"

  defp collection(api) do
    root = if group(api.source) == "", do: "/api/v1", else: "/apis/#{group(api.source)}/v1"
    "#{root}/namespaces/#{api.namespace}/#{resource(api.source)}"
  end

  @doc "The plural name of the source's resource."
  def resource(:endpoint_slices), do: "endpointslices"
  def resource(source), do: Atom.to_string(source)

  defp group(:endpoint_slices), do: "discovery.k8s.io"
  defp group(_source), do: ""

  defp token(source), do: "app-#{source}"
end
