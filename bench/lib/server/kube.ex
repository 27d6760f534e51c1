defmodule LibclusterKubernetes.Bench.Server.Kube do
  @moduledoc "The real kube-apiserver with its etcd, as the tests start it."

  @behaviour LibclusterKubernetes.Bench.Server

  alias LibclusterKubernetes.Bench.Realistic
  alias LibclusterKubernetes.Test.{KubeApiserver, Topology}

  @account_namespace "bench"
  @account "app"
  @rbac "/apis/rbac.authorization.k8s.io/v1"
  # Longer than any run.
  @token_seconds 86_400

  # As kubeadm has it. Without, a bookmark comes only when something of the kind was written or listed: in an idle hour some
  # watches would be silent for longer than they may.
  @etcd ["--watch-progress-notify-interval=5s"]

  @impl true
  def start! do
    server = KubeApiserver.start!(etcd: @etcd)
    KubeApiserver.endpointslices_crd!(server)
    folder = KubeApiserver.service_account!(server, @account_namespace, @account)
    KubeApiserver.write_token!(folder, KubeApiserver.token!(server, @account_namespace, @account, @token_seconds))
    grant_everywhere!(server)
    {server, server.url, folder}
  end

  @impl true
  def stop(server), do: KubeApiserver.stop(server)

  @impl true
  def description(server), do: "kube-apiserver #{KubeApiserver.get!(server, "/version")["gitVersion"]} with etcd"

  @impl true
  def processes(server), do: for(name <- [:apiserver, :etcd], do: {name, KubeApiserver.os_pid(server, name)})

  @impl true
  def namespace!(server, namespace), do: KubeApiserver.namespace!(server, namespace)

  @impl true
  def create!(server, source, namespace, _name, json) do
    KubeApiserver.raw!(server, :post, collection(source, namespace), json)
    :ok
  end

  @impl true
  def replace!(server, source, namespace, name, json) do
    # Slices are custom resources here, and PUT wants to know which version of those it replaces.
    method = if source == :endpoint_slices, do: :patch, else: :put
    KubeApiserver.raw!(server, method, "#{collection(source, namespace)}/#{name}", json)
    :ok
  end

  @impl true
  def pod!(server, namespace, index, status?) do
    KubeApiserver.raw!(server, :post, pods(namespace), namespace |> Realistic.pod(index) |> Realistic.json())
    if status?, do: pod_status!(server, namespace, index, Realistic.json(%{status: Realistic.status(index)}))
    :ok
  end

  @impl true
  def pod_status!(server, namespace, index, json) do
    KubeApiserver.raw!(server, :patch, "#{pods(namespace)}/#{Realistic.pod_name(index)}/status", json)
    :ok
  end

  # A watch is counted in the total when it ends, and in the gauge until then.
  @impl true
  def requests(server) do
    metrics = KubeApiserver.raw!(server, :get, "/metrics")
    lines = for line <- String.split(metrics, "\n"), line =~ ~r/resource="(endpoints|endpointslices|pods)"/, do: line

    [
      ~r/^apiserver_request_total\{.*verb="(LIST|WATCH)"/,
      # Named ..._requests in newer versions.
      ~r/^apiserver_longrunning_(gauge|requests)\{.*verb="WATCH"/
    ]
    |> Enum.flat_map(fn pattern -> Enum.filter(lines, &(&1 =~ pattern)) end)
    |> Enum.map(fn line -> line |> String.split() |> List.last() |> Float.parse() |> elem(0) end)
    |> Enum.sum()
    |> round()
  end

  defp collection(:endpoints, namespace), do: "/api/v1/namespaces/#{namespace}/endpoints"
  defp collection(:endpoint_slices, namespace), do: "/apis/discovery.k8s.io/v1/namespaces/#{namespace}/endpointslices"

  defp pods(namespace), do: "/api/v1/namespaces/#{namespace}/pods"

  # One service account for all namespaces, as one VM asks for many of them.
  defp grant_everywhere!(server) do
    rules = [
      %{apiGroups: [""], resources: ["endpoints", "pods"], verbs: ["list", "watch"]},
      %{apiGroups: ["discovery.k8s.io"], resources: ["endpointslices"], verbs: ["list", "watch"]}
    ]

    role = %{apiVersion: "rbac.authorization.k8s.io/v1", kind: "ClusterRole", metadata: %{name: @account}, rules: rules}
    KubeApiserver.apply!(server, "#{@rbac}/clusterroles", role)

    KubeApiserver.apply!(server, "#{@rbac}/clusterrolebindings", %{
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "ClusterRoleBinding",
      metadata: %{name: @account},
      roleRef: %{apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: @account},
      subjects: [%{kind: "ServiceAccount", name: @account, namespace: @account_namespace}]
    })

    Topology.wait_until(fn -> allowed?(server) end)
  end

  # The authorizer sees roles through a cache.
  defp allowed?(server) do
    review = %{
      apiVersion: "authorization.k8s.io/v1",
      kind: "SubjectAccessReview",
      spec: %{
        user: "system:serviceaccount:#{@account_namespace}:#{@account}",
        resourceAttributes: %{namespace: "default", group: "", resource: "pods", verb: "watch"}
      }
    }

    path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
    KubeApiserver.create!(server, path, review)["status"]["allowed"]
  end
end
