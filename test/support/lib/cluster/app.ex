defmodule LibclusterKubernetes.Test.Cluster.App do
  @moduledoc """
  The objects of one application that finds its nodes through one source: a service account that may list and watch this
  source and nothing else, a headless Service, and the pods, as a Deployment or a StatefulSet.

  All of them are called after the source. What makes a pod a member is its label `member`, which the Service and, with
  `:pods`, the strategy select: another one than the Deployment selects, so that a test can take it away and the pod
  stays. Every pod has the label `test`, by which it is seen.
  """

  @sources [:endpoints, :endpoint_slices, :pods]
  # Endpoints, too, but with the strategy of libcluster itself.
  @stock :libcluster
  @lookups %{
    :endpoints => {"", "endpoints"},
    :endpoint_slices => {"discovery.k8s.io", "endpointslices"},
    :pods => {"", "pods"},
    @stock => {"", "endpoints"}
  }

  # A pod that asks for nothing gets what all others leave: for a second at a time that is nothing where containers start on a
  # machine of two cores, and OTP gives up a handshake after seven.
  @resources %{requests: %{cpu: "15m"}}

  # What a pod knows of itself.
  @fields [{"POD_IP", "status.podIP"}, {"POD_NAME", "metadata.name"}, {"NAMESPACE", "metadata.namespace"}]

  # bin/test-cluster taints the node with it that tests trouble while others run.
  @trouble "libcluster-test"

  @typedoc "`:libcluster` is an application with libcluster's own strategy, for comparison."
  @type source :: :endpoints | :endpoint_slices | :pods | :libcluster

  @doc "Those of this package."
  def sources, do: @sources

  @doc "What the objects of a source are called."
  @spec name(source()) :: String.t()
  def name(source), do: source |> Atom.to_string() |> String.replace("_", "-")

  @doc """
  Options: `:replicas` (3), `:mode` (`:ip`), `:epmd` (`false`), `:probe` (`false`; `true`: ready when the node listens),
  `:env` (`%{}`), `:container` and `:spec` (merged into the
  container and into the pod's spec), `:labels` (of the pods, `%{}`), `:color` (of a Deployment of which there are two),
  `:selects` (what the Service selects), `:deployment` (merged into the Deployment's spec), `:anywhere` (`false`; `true`:
  also on the node that other tests trouble).
  """
  @spec objects(source(), keyword()) :: [map()]
  def objects(source, opts), do: account(source) ++ [service(source, opts), workload(source, opts)]

  @doc "What the service account needs: itself, a Role and a RoleBinding."
  def account(source) do
    {group, resource} = @lookups[source]
    name = name(source)
    rbac = "rbac.authorization.k8s.io"

    [
      %{apiVersion: "v1", kind: "ServiceAccount", metadata: %{name: name}},
      %{
        apiVersion: "#{rbac}/v1",
        kind: "Role",
        metadata: %{name: name},
        rules: [%{apiGroups: [group], resources: [resource], verbs: ["list", "watch"]}]
      },
      %{
        apiVersion: "#{rbac}/v1",
        kind: "RoleBinding",
        metadata: %{name: name},
        roleRef: %{apiGroup: rbac, kind: "Role", name: name},
        subjects: [%{kind: "ServiceAccount", name: name}]
      }
    ]
  end

  def service(source, opts \\ []) do
    name = name(source)

    %{
      apiVersion: "v1",
      kind: "Service",
      metadata: %{name: name, labels: %{member: name}},
      spec: %{clusterIP: "None", selector: Keyword.get(opts, :selects, %{member: name})}
    }
  end

  @doc "A pod of its own with the labels of a member: options as for `objects/2`."
  def pod(source, pod_name, opts \\ []) do
    template = template(source, opts)
    %{apiVersion: "v1", kind: "Pod", metadata: Map.put(template.metadata, :name, pod_name), spec: template.spec}
  end

  @doc "The pods, without what they need."
  def workload(source, opts) do
    name = name(source)

    spec = %{
      replicas: Keyword.get(opts, :replicas, 3),
      selector: %{matchLabels: Map.merge(%{app: name}, color(opts))},
      template: template(source, opts)
    }

    {kind, spec} =
      if opts[:mode] == :hostname,
        do: {"StatefulSet", Map.merge(spec, %{serviceName: name, podManagementPolicy: "Parallel"})},
        else: {"Deployment", spec}

    spec = Map.merge(spec, Keyword.get(opts, :deployment, %{}))
    metadata = %{name: Enum.join([name | Map.values(color(opts))], "-")}
    %{apiVersion: "apps/v1", kind: kind, metadata: metadata, spec: spec}
  end

  ## Below

  defp color(opts), do: if(opts[:color], do: %{color: opts[:color]}, else: %{})

  defp template(source, opts) do
    name = name(source)

    labels =
      %{app: name, member: name, test: "app"} |> Map.merge(color(opts)) |> Map.merge(Keyword.get(opts, :labels, %{}))

    container =
      %{
        name: "app",
        image: System.fetch_env!("CLUSTER_IMAGE"),
        env: environment(source, opts),
        resources: @resources
      }
      |> Map.merge(if opts[:probe], do: %{readinessProbe: probe(source)}, else: %{})
      |> Map.merge(Keyword.get(opts, :container, %{}))

    spec = %{serviceAccountName: name, terminationGracePeriodSeconds: 10, containers: [container]}
    spec = if opts[:anywhere], do: Map.put(spec, :tolerations, [%{key: @trouble, operator: "Exists"}]), else: spec
    %{metadata: %{labels: labels}, spec: Map.merge(spec, Keyword.get(opts, :spec, %{}))}
  end

  defp environment(source, opts) do
    values = %{
      "HELLO_MODE" => Keyword.get(opts, :mode, :ip),
      "HELLO_SELECTOR" => "member=#{name(source)}",
      "HELLO_LOOKUP" => if(source == @stock, do: :endpoints, else: source),
      "HELLO_TIMESTAMPS" => true,
      # As a pod with one processor would have it.
      "ERL_FLAGS" => "+S 1:1 +SDcpu 1:1 +SDio 4 +sbwt none +sbwtdcpu none +sbwtdio none"
    }

    values = if opts[:mode] == :hostname, do: Map.put(values, "HELLO_SERVICE", name(source)), else: values
    values = if source == @stock, do: Map.put(values, "HELLO_STRATEGY", "libcluster"), else: values
    values = if opts[:epmd], do: values, else: Map.put(values, "HELLO_DIST_PORT", dist_port(source))
    values = Map.merge(values, Keyword.get(opts, :env, %{}))

    fields =
      for {variable, field} <- @fields, not is_map_key(values, variable) do
        %{name: variable, valueFrom: %{fieldRef: %{fieldPath: field}}}
      end

    fields ++ for {variable, value} <- values, do: %{name: variable, value: to_string(value)}
  end

  defp probe(source), do: %{tcpSocket: %{port: dist_port(source)}, periodSeconds: 1}

  @doc "Where the nodes listen, unless they have epmd. Those of a machine's own network share its ports."
  def dist_port(source), do: 4370 + Enum.find_index(@sources ++ [@stock], &(&1 == source))
end
