defmodule LibclusterKubernetes.Bench.Realistic do
  @moduledoc """
  Objects as a real cluster has them, in JSON: pods of about 8 KB once the server has added its `managedFields`,
  Endpoints of at most 1,000 addresses each, EndpointSlices of at most 100.
  """

  alias LibclusterKubernetes.Test.JSON

  @app "checkout-api"
  @labels %{
    app: "app",
    "app.kubernetes.io/name": @app,
    "app.kubernetes.io/instance": "#{@app}-production",
    "app.kubernetes.io/version": "2026.7.3",
    "app.kubernetes.io/component": "web",
    "app.kubernetes.io/part-of": "shop",
    "app.kubernetes.io/managed-by": "Helm",
    "pod-template-hash": "7d9f8b6c54"
  }

  @doc "The address of a member."
  @spec ip(non_neg_integer()) :: String.t()
  def ip(index), do: "10.#{64 + div(index, 62_500)}.#{rem(div(index, 250), 250)}.#{rem(index, 250) + 1}"

  @doc "The name of a member's pod."
  @spec pod_name(non_neg_integer()) :: String.t()
  def pod_name(index), do: "#{@app}-7d9f8b6c54-#{index |> Integer.to_string() |> String.pad_leading(5, "0")}"

  @doc "The name of the node that a member is."
  @spec node_name(non_neg_integer()) :: String.t()
  def node_name(index), do: "app@#{ip(index)}"

  @doc "What is created of a pod: metadata and spec."
  @spec pod(String.t(), non_neg_integer()) :: map()
  def pod(namespace, index) do
    %{
      apiVersion: "v1",
      kind: "Pod",
      metadata: %{
        name: pod_name(index),
        generateName: "#{@app}-7d9f8b6c54-",
        namespace: namespace,
        labels: @labels,
        annotations: %{
          "prometheus.io/scrape": "true",
          "prometheus.io/port": "9568",
          "checksum/config": String.duplicate("5f2b9a1c", 8),
          "kubectl.kubernetes.io/restartedAt": "2026-07-01T09:30:00Z"
        },
        ownerReferences: [
          %{
            apiVersion: "apps/v1",
            kind: "ReplicaSet",
            name: "#{@app}-7d9f8b6c54",
            uid: uid(0),
            controller: true,
            blockOwnerDeletion: true
          }
        ]
      },
      spec: spec(index)
    }
  end

  @doc "What the kubelet reports of a running pod."
  @spec status(non_neg_integer()) :: map()
  def status(index) do
    %{
      phase: "Running",
      hostIP: "10.1.#{rem(index, 50)}.10",
      podIP: ip(index),
      podIPs: [%{ip: ip(index)}],
      qosClass: "Burstable",
      startTime: time(),
      conditions: for(type <- ~w(Initialized Ready ContainersReady PodScheduled), do: condition(type)),
      initContainerStatuses: [container_status("migrate", %{terminated: %{exitCode: 0, reason: "Completed"}})],
      containerStatuses: [container_status("app", %{running: %{startedAt: time()}})]
    }
  end

  @doc """
  What the server would add to a pod of about this size: its own record of who set which field. Only the fake server,
  which makes none, needs it.
  """
  @spec managed_fields() :: [map()]
  def managed_fields do
    containers = %{~s(k:{"name":"app"}) => fields(60)}
    [managed("kube-controller-manager", %{"f:spec": containers}), managed("kubelet", %{"f:status": fields(40)})]
  end

  @doc "An Endpoints object with these members."
  @spec endpoints(String.t(), String.t(), Enumerable.t()) :: map()
  def endpoints(namespace, name, indexes) do
    addresses = for index <- indexes, do: Map.merge(%{ip: ip(index)}, place(namespace, index))

    %{
      apiVersion: "v1",
      kind: "Endpoints",
      metadata: %{name: name, namespace: namespace, labels: @labels},
      subsets: [%{addresses: addresses, ports: [%{name: "epmd", port: 4369, protocol: "TCP"}]}]
    }
  end

  @doc "An EndpointSlice with these members."
  @spec endpoint_slice(String.t(), String.t(), Enumerable.t()) :: map()
  def endpoint_slice(namespace, name, indexes) do
    %{
      apiVersion: "discovery.k8s.io/v1",
      kind: "EndpointSlice",
      metadata: %{name: name, namespace: namespace, labels: Map.put(@labels, "kubernetes.io/service-name", @app)},
      addressType: "IPv4",
      endpoints:
        for index <- indexes do
          conditions = %{ready: true, serving: true, terminating: false}
          Map.merge(%{addresses: [ip(index)], conditions: conditions, zone: "eu-1a"}, place(namespace, index))
        end,
      ports: [%{name: "epmd", port: 4369, protocol: "TCP"}]
    }
  end

  @doc "The JSON of an object."
  defdelegate json(object), to: JSON, as: :encode

  defp place(namespace, index) do
    %{
      nodeName: host(index),
      targetRef: %{kind: "Pod", namespace: namespace, name: pod_name(index), uid: uid(index), resourceVersion: "4711"}
    }
  end

  defp spec(index) do
    %{
      nodeName: host(index),
      serviceAccountName: "app",
      automountServiceAccountToken: false,
      terminationGracePeriodSeconds: 60,
      initContainers: [%{name: "migrate", image: image("migrate"), command: ["/app/bin/migrate"], env: env(4)}],
      containers: [container("app", 8)],
      volumes: [
        %{name: "config", configMap: %{name: @app}},
        %{name: "secrets", secret: %{secretName: @app}},
        %{name: "tmp", emptyDir: %{}}
      ],
      securityContext: %{runAsNonRoot: true, runAsUser: 1000, fsGroup: 1000},
      topologySpreadConstraints: [
        %{
          maxSkew: 1,
          topologyKey: "topology.kubernetes.io/zone",
          whenUnsatisfiable: "ScheduleAnyway",
          labelSelector: %{matchLabels: %{app: "app"}}
        }
      ]
    }
  end

  defp container(name, variables) do
    %{
      name: name,
      image: image(name),
      ports: [%{name: "http", containerPort: 4000}, %{name: "metrics", containerPort: 9568}],
      env: env(variables),
      envFrom: [%{configMapRef: %{name: @app}}],
      resources: %{requests: %{cpu: "250m", memory: "512Mi"}, limits: %{memory: "1Gi"}},
      volumeMounts: [%{name: "config", mountPath: "/etc/app", readOnly: true}, %{name: "tmp", mountPath: "/tmp"}],
      livenessProbe: probe("/health/live"),
      readinessProbe: probe("/health/ready")
    }
  end

  defp env(count) do
    pod_ip = %{name: "POD_IP", valueFrom: %{fieldRef: %{fieldPath: "status.podIP"}}}
    [pod_ip | for(n <- 1..count, do: %{name: "SETTING_#{n}", value: "value-of-setting-#{n}"})]
  end

  defp probe(path), do: %{httpGet: %{path: path, port: "http"}, periodSeconds: 10, failureThreshold: 3}

  defp condition(type), do: %{type: type, status: "True", lastTransitionTime: time()}

  defp container_status(name, state) do
    %{
      name: name,
      ready: true,
      started: true,
      restartCount: 0,
      image: image(name),
      imageID: "registry.example.com/shop/#{name}@sha256:#{String.duplicate("0a1b2c3d", 8)}",
      containerID: "containerd://#{String.duplicate("4e5f6a7b", 8)}",
      state: state
    }
  end

  defp fields(count), do: Map.new(1..count, &{"f:settingNumber#{&1}", %{}})

  defp managed(manager, fields) do
    %{manager: manager, operation: "Update", apiVersion: "v1", time: time(), fieldsType: "FieldsV1", fieldsV1: fields}
  end

  defp image(name), do: "registry.example.com/shop/#{name}:2026.7.3"
  defp host(index), do: "worker-#{rem(index, 50)}.eu-1.example.com"
  defp time, do: "2026-08-01T12:00:00Z"
  defp uid(index), do: "6f1c2a90-3b7d-4c55-9e21-#{index |> Integer.to_string() |> String.pad_leading(12, "0")}"
end
