defmodule LibclusterKubernetes.Options.Schema do
  @moduledoc false
  # Every option, in the order of the documentation: what it accepts (see Options.Type), its default and what it means.
  #
  #   * `required: true`: there is no default. One that is nil makes the topology idle.
  #   * `default: {:by_source, [pods: true], false}`: depends on kubernetes_ip_lookup_mode, which stands before it.
  #   * `modes: [...]`: in other modes it has no effect.

  @dns_label ~S"\A[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\z"

  # https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set
  @label_key ~S"\A([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?\z"

  @basename {:name, ~S"\A[0-9A-Za-z_-]{1,63}\z", "letters, digits, `_` and `-`, as in a node name before the @"}

  @schema [
    mode: [
      type: {:in, [:ip, :dns, :hostname]},
      default: :ip,
      doc:
        "How a node is named: `:ip` is `base@IP`, `:dns` is `base@IP-WITH-DASHES.NAMESPACE.pod.DOMAIN`, " <>
          "`:hostname` is `base@HOSTNAME.SERVICE.NAMESPACE.svc.DOMAIN`"
    ],
    kubernetes_node_basename: [
      type: {:either, @basename, {:label, {:name, @label_key, "the key of a pod label"}}},
      required: true,
      doc:
        "The part of the node names before the `@`, the same for all nodes. Or `{:label, \"app.kubernetes.io/name\"}`: of " <>
          "each pod the value of that label, for applications that cluster with each other. That needs " <>
          "`kubernetes_ip_lookup_mode: :pods`; pods without the label, or with a value that is no basename, are dropped"
    ],
    kubernetes_selector: [
      type: {:text, "app=myapp", "an empty one would select everything"},
      required: true,
      doc:
        "The [label selector](https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors) " <>
          "of the Endpoints, EndpointSlices or Pods, such as `\"app=myapp\"`"
    ],
    kubernetes_namespace: [
      type: {:either, {:name, @dns_label, "a namespace: at most 63 of a-z, 0-9 and -"}, {:in, [:all]}},
      default: nil,
      doc:
        "The namespace to look in; by default the one in the service account's `namespace` file. `:all` looks in every " <>
          "namespace, and needs a ClusterRole with a ClusterRoleBinding"
    ],
    kubernetes_ip_lookup_mode: [
      type: {:in, [:endpoints, :endpoint_slices, :pods]},
      default: :endpoints,
      doc:
        "Where addresses come from: the Endpoints of Services, their EndpointSlices (Kubernetes 1.21 and later; " <>
          "Endpoints are deprecated since 1.33), or Pods"
    ],
    kubernetes_service_name: [
      type: {:name, @dns_label, "a Service's name: at most 63 of a-z, 0-9 and -"},
      default: nil,
      modes: [:hostname],
      doc: "The headless Service of the StatefulSet; required with `mode: :hostname`"
    ],
    kubernetes_cluster_name: [
      type: :domain,
      default: "cluster",
      doc:
        "`DOMAIN` is `<cluster_name>.local`, unless the environment variable `CLUSTER_DOMAIN` is set: then it is that, " <>
          "in the API's address and in node names"
    ],
    kubernetes_master: [
      type: :server,
      default: "kubernetes.default.svc",
      doc:
        "The API server: a name that ends with `.` or `DOMAIN` is used as it is, to any other `.DOMAIN` is appended; an IP " <>
          "address, and a URL such as `https://rancher:8443/k8s/clusters/c-1`, are used as they are"
    ],
    kubernetes_service_account_path: [
      type: :path,
      default: "/var/run/secrets/kubernetes.io/serviceaccount",
      doc: "The folder of `token`, `ca.crt` and `namespace`"
    ],
    kubernetes_use_cached_resources: [
      type: :boolean,
      default: false,
      doc:
        "`true`: lists have `resourceVersion=0`, so that the API server may answer from its cache, also with an old state. " <>
          "`false`: every list says what is true now. A list that decides who is let go of always does"
    ],
    polling_interval: [
      type: {:integer, 1},
      default: 5_000,
      doc:
        "Milliseconds between two ticks, ± 10 %. Each tick connects to known members that are not connected, and lists " <>
          "where nothing is watched"
    ],
    kubernetes_field_selector: [
      type: {:text, "status.phase=Running", "leave it out to select by labels only"},
      default: nil,
      doc:
        "A [field selector](https://kubernetes.io/docs/concepts/overview/working-with-objects/field-selectors/), beside the " <>
          "label selector, such as `\"spec.nodeName!=worker-1\"` with `:pods`"
    ],
    kubernetes_include_not_ready: [
      type: :boolean,
      default: {:by_source, [pods: true], false},
      doc:
        "Connects to what is not ready, too: `notReadyAddresses`, and pods whose Ready condition is not true. " <>
          "Set it to `true` when your pods become ready only once they are clustered, and to `false` when they are to be " <>
          "ready first"
    ],
    kubernetes_ip_family: [
      type: {:in, [:primary, :ipv4, :ipv6]},
      default: :primary,
      modes: [:ip, :dns],
      doc:
        "Which address of a dual-stack pod counts; `:primary` is the one in `status.podIP`, and of EndpointSlices with " <>
          "`mode: :ip` those of the family of this node's own name, else the IPv4 ones unless there are only IPv6 ones"
    ],
    kubernetes_rollout_label: [
      type: {:name, @label_key, "the key of a pod label, such as pod-template-hash"},
      default: nil,
      doc:
        "Connects only to pods that have the same value of this label as this node's own pod, such as " <>
          "`\"pod-template-hash\"`, so that versions do not meet during a rollout. Needs " <>
          "`kubernetes_ip_lookup_mode: :pods`, because nothing else carries the labels of pods; until this node's own pod " <>
          "is in the answers, it connects to nobody"
    ],
    kubernetes_request_timeout: [
      type: {:integer, 1},
      default: 15_000,
      doc:
        "Milliseconds for one request: connecting, TLS and the whole answer (of a watch its head, and all of a refusal)"
    ],
    kubernetes_disconnect_after: [
      type: {:integer_or, 0, :never},
      default: {:by_source, [endpoints: 300_000], 30_000},
      doc:
        "Milliseconds that a member must be absent from successful answers, and still be connected, before it is judged: see " <>
          "`LibclusterKubernetes.Strategy`. `0` disconnects at once, as libcluster's strategy does; `:never` leaves it to OTP. Endpoints do not show pods that " <>
          "terminate, so that there it has to outlast a grace period"
    ],
    kubernetes_watch: [
      type: {:in, [false, :auto]},
      default: :auto,
      doc:
        "`:auto` lists once and then watches, so that changes arrive as they happen; where the role lacks the verb " <>
          "`watch`, or the API does not know it, it polls, says so once, and tries again every few minutes. " <>
          "`false` polls only"
    ]
  ]

  @type spec :: keyword()

  @spec all() :: [{atom(), spec()}]
  def all, do: @schema

  @doc "The default of an option, where this is the source."
  @spec default(spec(), atom()) :: term()
  def default(spec, source) do
    case spec[:default] do
      {:by_source, some, others} -> Keyword.get(some, source, others)
      default -> default
    end
  end

  @doc "The default as the documentation has it."
  @spec default_text(spec()) :: String.t()
  def default_text(spec) do
    case {spec[:required], spec[:default]} do
      {true, nil} ->
        "required"

      {nil, {:by_source, [{source, default}], others}} ->
        "default `#{inspect(default)}` with `#{inspect(source)}`, else `#{inspect(others)}`"

      {nil, default} ->
        "default `#{inspect(default)}`"
    end
  end
end
