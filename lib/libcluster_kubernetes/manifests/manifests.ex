defmodule LibclusterKubernetes.Manifests do
  @moduledoc """
  The least that Kubernetes must be told for topologies to work, as YAML. Pure; `mix libcluster_kubernetes.gen.manifests`
  prints it.

  * A ServiceAccount for the pods.
  * For each namespace that is looked in, a Role with the verbs that are used (`list`, and `watch` unless
    `kubernetes_watch` is `false`) on what is looked up, and a RoleBinding.
  * A headless Service where one is needed: for Endpoints and EndpointSlices, whose labels it gives, and for
    `mode: :hostname`, whose DNS names it gives.
  * What the pods need: labels, service account, environment and ports. As a comment, or, where an image is given, as a
    whole Deployment (with `mode: :hostname` a StatefulSet).

  `publishNotReadyAddresses` is set with `mode: :hostname` only: there a pod that is not ready has no DNS record without
  it. In the other modes `kubernetes_include_not_ready` finds such pods as well, and without hiding which pods drain.
  """

  alias LibclusterKubernetes.Manifests.{Pods, Selector, Yaml}
  alias LibclusterKubernetes.Options

  @api_groups %{endpoints: "", endpoint_slices: "discovery.k8s.io", pods: ""}
  @resources %{endpoints: "endpoints", endpoint_slices: "endpointslices", pods: "pods"}
  @rbac "rbac.authorization.k8s.io"

  @typedoc """
  `:app` names the objects and the container. `:namespace` is that of the pods; without it, it is the one that all
  topologies look in, if they name one, else it is left to `kubectl -n`.
  """
  @type option ::
          {:app, String.t()}
          | {:namespace, String.t() | nil}
          | {:image, String.t() | nil}
          | {:dist_port, :inet.port_number() | nil}
          | {:cookie_secret, String.t() | nil}

  @doc "The documents for these topologies, of which there is at least one. Raises `ArgumentError` where one cannot be served."
  @spec yaml([Options.t(), ...], [option()]) :: String.t()
  def yaml(topologies, options) do
    app = Keyword.fetch!(options, :app)
    namespace = options[:namespace] || common_namespace!(topologies)
    # A topology that looks elsewhere finds the pods of somebody else.
    {own, foreign} = Enum.split_with(topologies, &(lookup_namespace(&1, namespace) == namespace))
    labels = pod_labels(own, app)
    described = hd(own ++ foreign)

    pods =
      options
      |> Keyword.take([:image, :dist_port, :cookie_secret])
      |> Enum.into(%{app: app, namespace: namespace, labels: labels, image: nil, dist_port: nil, cookie_secret: nil})

    objects =
      [service_account(app, namespace)] ++
        roles(topologies, app, namespace) ++
        services(own, pods) ++
        Pods.objects(described, service_name(described, app), pods)

    heading(topologies) <> Enum.map_join(objects, "---\n", &Yaml.document/1) <> Pods.comment(described, app, pods)
  end

  @doc "The headless Service of a topology's pods."
  @spec service_name(Options.t(), String.t()) :: String.t()
  def service_name(%{values: values}, app) do
    values.kubernetes_service_name || Selector.service_name(values.kubernetes_selector) || app
  end

  defp heading(topologies) do
    names = Enum.map_join(topologies, ", ", &inspect(&1.topology))
    "# For the topologies of config :libcluster: #{names}. Made by mix libcluster_kubernetes.gen.manifests.\n"
  end

  # Without an option the namespace is the pods' own.
  defp lookup_namespace(topology, namespace), do: topology.values.kubernetes_namespace || namespace

  defp common_namespace!(topologies) do
    case topologies |> Enum.map(& &1.values.kubernetes_namespace) |> Enum.uniq() do
      [namespace] ->
        namespace

      several ->
        raise ArgumentError,
              "the topologies look in different namespaces (#{Enum.map_join(several, ", ", &(&1 || "the pods' own"))}): " <>
                "say by --namespace in which of them the pods run, for the RoleBindings to name it"
    end
  end

  defp service_account(app, namespace) do
    [{"apiVersion", "v1"}, {"kind", "ServiceAccount"}, {"metadata", metadata(app, namespace)}]
  end

  defp roles(topologies, app, namespace) do
    topologies
    |> Enum.group_by(&lookup_namespace(&1, namespace))
    |> Enum.sort()
    |> Enum.flat_map(fn {looked_in, topologies} -> role_and_binding(topologies, app, looked_in, namespace) end)
  end

  defp role_and_binding(topologies, app, looked_in, namespace) do
    name = "#{app}-libcluster"
    # In a binding's own namespace the account needs none.
    foreign = if looked_in == namespace, do: [], else: [{"namespace", namespace}]

    [
      [
        {"apiVersion", "#{@rbac}/v1"},
        {"kind", "Role"},
        {"metadata", metadata(name, looked_in)},
        {"rules", rules(topologies)}
      ],
      [
        {"apiVersion", "#{@rbac}/v1"},
        {"kind", "RoleBinding"},
        {"metadata", metadata(name, looked_in)},
        {"roleRef", [{"apiGroup", @rbac}, {"kind", "Role"}, {"name", name}]},
        {"subjects", [[{"kind", "ServiceAccount"}, {"name", app}] ++ foreign]}
      ]
    ]
  end

  defp rules(topologies) do
    topologies
    |> Enum.group_by(& &1.values.kubernetes_ip_lookup_mode, & &1.values.kubernetes_watch)
    |> Enum.sort()
    |> Enum.map(fn {source, watches} ->
      [
        {"apiGroups", [@api_groups[source]]},
        {"resources", [@resources[source]]},
        {"verbs", if(:auto in watches, do: ["list", "watch"], else: ["list"])}
      ]
    end)
  end

  defp services(topologies, pods) do
    topologies
    |> Enum.filter(&(&1.values.kubernetes_ip_lookup_mode != :pods or &1.values.mode == :hostname))
    |> Enum.group_by(&service_name(&1, pods.app))
    |> Enum.sort()
    |> Enum.map(fn {name, topologies} -> service(name, topologies, pods) end)
  end

  # Endpoints and EndpointSlices have the labels of their Service. The protocol is the default, but old servers want it
  # with server-side apply.
  defp service(name, topologies, pods) do
    labels = if selected(topologies) == %{}, do: pods.labels, else: selected(topologies)
    ready? = not Enum.any?(topologies, &(&1.values.mode == :hostname))

    [
      {"apiVersion", "v1"},
      {"kind", "Service"},
      {"metadata", metadata(name, pods.namespace) ++ [{"labels", Enum.sort(labels)}]},
      {"spec",
       [{"clusterIP", "None"}] ++
         if(ready?, do: [], else: [{"publishNotReadyAddresses", true}]) ++
         [
           {"selector", Enum.sort(pods.labels)},
           {"ports", for({name, port} <- Pods.ports(pods), do: [{"name", name}, {"port", port}, {"protocol", "TCP"}])}
         ]}
    ]
  end

  defp pod_labels(topologies, app) do
    case selected(topologies) do
      none when none == %{} -> %{"app" => app}
      labels -> labels
    end
  end

  # Labels that all these selectors match.
  defp selected(topologies) do
    for topology <- topologies, {key, value} <- Selector.labels!(topology), reduce: %{} do
      %{^key => other} when other != value ->
        raise ArgumentError,
              "no pod can have the label #{key} as #{other} and as #{value}: the topologies select different pods. " <>
                "Choose one of them by --topology"

      labels ->
        Map.put(labels, key, value)
    end
  end

  @doc false
  def metadata(name, nil), do: [{"name", name}]
  def metadata(name, namespace), do: [{"name", name}, {"namespace", namespace}]
end
