defmodule LibclusterKubernetes.Test.KubeApiserver.Objects do
  @moduledoc false
  # The objects that tests store: there is no controller that would.

  import LibclusterKubernetes.Test.KubeApiserver.Admin

  alias LibclusterKubernetes.Test.Topology

  @doc "Creates a namespace, unless there is one."
  def namespace!(server, namespace) do
    apply!(server, "/api/v1/namespaces", %{apiVersion: "v1", kind: "Namespace", metadata: %{name: namespace}})
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
end
