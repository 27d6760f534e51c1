defmodule LibclusterKubernetes.Options do
  @label ~S"\A[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\z"

  # https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set
  @label_key ~S"\A([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?\z"

  # In the order of the documentation. `type` is checked by valid?/2 and named by accepted/1.
  @schema [
    mode: [
      type: {:in, [:ip, :dns, :hostname]},
      default: :ip,
      doc:
        "How a node is named: `:ip` is `base@IP`, `:dns` is `base@IP-WITH-DASHES.NAMESPACE.pod.DOMAIN`, " <>
          "`:hostname` is `base@HOSTNAME.SERVICE.NAMESPACE.svc.DOMAIN`"
    ],
    kubernetes_node_basename: [
      type: {:name, ~S"\A[0-9A-Za-z_-]{1,63}\z", "letters, digits, `_` and `-`, as in a node name before the @"},
      required: true,
      doc: "The part of the node names before the `@`, the same for all nodes"
    ],
    kubernetes_selector: [
      type: :text,
      required: true,
      doc:
        "The [label selector](https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors) " <>
          "of the Endpoints, EndpointSlices or Pods, such as `\"app=myapp\"`"
    ],
    kubernetes_namespace: [
      type: {:name, @label, "a namespace: at most 63 of a-z, 0-9 and -"},
      default: nil,
      doc: "The namespace to look in; by default the one in the service account's `namespace` file"
    ],
    kubernetes_ip_lookup_mode: [
      type: {:in, [:endpoints, :endpoint_slices, :pods]},
      default: :endpoints,
      doc:
        "Where addresses come from: the Endpoints of Services, their EndpointSlices (Kubernetes 1.21 and later; " <>
          "Endpoints are deprecated since 1.33), or Pods"
    ],
    kubernetes_service_name: [
      type: {:name, @label, "a Service's name: at most 63 of a-z, 0-9 and -"},
      default: nil,
      doc: "The headless Service of the StatefulSet; required with `mode: :hostname`"
    ],
    kubernetes_cluster_name: [
      type: {:name, ~S"\A[A-Za-z0-9.-]{1,200}\z", "a part of a DNS name"},
      default: "cluster",
      doc:
        "`DOMAIN` is `<cluster_name>.local`, unless the environment variable `CLUSTER_DOMAIN` is set: then it is that, " <>
          "in the API's address and in node names"
    ],
    kubernetes_master: [
      type: {:name, ~S"\A(https://[A-Za-z0-9.:\[\]-]+/?|[A-Za-z0-9.-]+)\z", "a host name, or https://host[:port]"},
      default: "kubernetes.default.svc",
      doc:
        "The API server: a name that ends with `.` or `DOMAIN` is used as it is, to any other `.DOMAIN` is appended; " <>
          "an `https://host[:port]` URL is used as it is"
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
        "`true`: adds `resourceVersion=0` to lists, so that the API server may answer with any state that it has in its " <>
          "cache, also an old one. `false`: every list is what is true now; since Kubernetes 1.31 servers answer those from " <>
          "their cache as well. A list that decides who is let go of is always of now"
    ],
    polling_interval: [
      type: {:integer, 1},
      default: 5_000,
      doc:
        "Milliseconds between two ticks, ± 10 %. Each tick connects to known members that are not connected, and lists " <>
          "where nothing is watched"
    ],
    kubernetes_include_not_ready: [
      type: :boolean,
      default: false,
      doc:
        "Connects to what is not ready, too: `notReadyAddresses`, and pods whose Ready condition is not true. " <>
          "Set it when your pods become ready only once they are clustered"
    ],
    kubernetes_ip_family: [
      type: {:in, [:primary, :ipv4, :ipv6]},
      default: :primary,
      doc:
        "Which address of a dual-stack pod counts; `:primary` is the one in `status.podIP`, and of EndpointSlices the " <>
          "IPv4 ones unless there are only IPv6 ones"
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
      doc: "Milliseconds for one list: connecting, TLS and the whole answer"
    ],
    kubernetes_disconnect_after: [
      type: {:integer_or, 0, :never},
      default: 30_000,
      doc:
        "Milliseconds that a member must be absent from successful answers, and still be connected, before it is judged: see " <>
          "`LibclusterKubernetes.Strategy`. `0` disconnects at once, as libcluster's strategy does; `:never` leaves it to OTP"
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

  @moduledoc """
  Every option of `LibclusterKubernetes.Strategy`: its type, default and meaning.

  An option that is `nil` counts as not given. A value that is not accepted stops the start with an `ArgumentError`; an
  option that is not in this list is logged with the nearest name that is, because libcluster ignores it, too.

  #{for {key, spec} <- @schema do
    default = if spec[:required], do: "required", else: "default `#{inspect(spec[:default])}`"
    "* `:#{key}` (#{default}) - #{spec[:doc]}.\n"
  end}
  """

  @enforce_keys [:topology, :values, :domain, :service]
  defstruct [:topology, :values, :domain, :service, warnings: []]

  @typedoc "Complete, checked options of one topology."
  @type t :: %__MODULE__{
          topology: atom(),
          values: %{atom() => term()},
          domain: String.t(),
          service: {String.t(), String.t()} | nil,
          warnings: [String.t()]
        }

  @doc false
  def schema, do: @schema

  @doc """
  Checks the `config` of a topology and completes it with defaults and what the environment says.

  `env` is the environment, with `CLUSTER_DOMAIN`, `KUBERNETES_SERVICE_HOST` and `KUBERNETES_SERVICE_PORT`.

  Raises `ArgumentError` with a message that names the topology, the option, its value and what is accepted.
  """
  @spec new!(atom(), keyword(), %{optional(String.t()) => String.t()}) :: t()
  def new!(topology, config, env \\ System.get_env()) do
    unless Keyword.keyword?(config) do
      refuse(topology, "the config must be a keyword list, not #{inspect(config)}")
    end

    values = Map.new(@schema, fn {key, spec} -> {key, value!(topology, key, spec, Keyword.get(config, key))} end)

    if values.mode == :hostname and values.kubernetes_service_name == nil do
      refuse(topology, "mode: :hostname needs kubernetes_service_name, the headless Service of the StatefulSet")
    end

    if values.kubernetes_rollout_label != nil and values.kubernetes_ip_lookup_mode != :pods do
      refuse(
        topology,
        "kubernetes_rollout_label is #{inspect(values.kubernetes_rollout_label)}, which needs " <>
          "kubernetes_ip_lookup_mode: :pods: #{values.kubernetes_ip_lookup_mode} do not carry the labels of pods"
      )
    end

    %__MODULE__{
      topology: topology,
      values: values,
      domain: domain!(topology, values, env),
      service: service(env),
      warnings: for({key, _} <- config, not Keyword.has_key?(@schema, key), do: unknown(key))
    }
  end

  @doc "The options as the NIF takes them: one complete map."
  @spec to_native(t()) :: map()
  def to_native(%__MODULE__{values: values} = options) do
    {service_host, service_port} = options.service || {nil, nil}

    %{
      source: values.kubernetes_ip_lookup_mode,
      namespace: values.kubernetes_namespace,
      selector: values.kubernetes_selector,
      cached: values.kubernetes_use_cached_resources,
      include_not_ready: values.kubernetes_include_not_ready,
      ip_family: values.kubernetes_ip_family,
      rollout_label: values.kubernetes_rollout_label,
      node: Atom.to_string(node()),
      mode: values.mode,
      basename: values.kubernetes_node_basename,
      service_name: values.kubernetes_service_name,
      domain: options.domain,
      master: values.kubernetes_master,
      service_host: service_host,
      service_port: service_port,
      service_account_path: values.kubernetes_service_account_path,
      request_timeout_ms: values.kubernetes_request_timeout,
      watch: values.kubernetes_watch == :auto,
      # "Every few minutes", in case somebody grants the verb.
      watch_retry_ms: 180_000,
      # Servers send a bookmark about once a minute, up to 75 seconds apart.
      watch_silence_ms: 90_000
    }
  end

  defp value!(topology, key, spec, nil) do
    if spec[:required] do
      refuse(topology, "the option #{key} is required: #{accepted(spec[:type])}")
    end

    spec[:default]
  end

  defp value!(topology, key, spec, value) do
    value = normalize(spec[:type], value)

    unless valid?(spec[:type], value) do
      refuse(topology, "the option #{key} is #{inspect(value)}, but must be #{accepted(spec[:type])}")
    end

    value
  end

  # libcluster interpolates these, so that atoms work there as well.
  defp normalize({:name, _, _}, value) when is_atom(value) and not is_boolean(value), do: Atom.to_string(value)
  defp normalize(:text, value) when is_atom(value) and not is_boolean(value), do: Atom.to_string(value)
  defp normalize(_type, value), do: value

  defp valid?({:in, accepted}, value), do: value in accepted
  defp valid?({:name, pattern, _}, value), do: is_binary(value) and Regex.match?(Regex.compile!(pattern), value)
  defp valid?(:text, value), do: is_binary(value) and String.printable?(value)
  defp valid?(:path, value), do: is_binary(value) and value != "" and not String.contains?(value, <<0>>)
  defp valid?(:boolean, value), do: is_boolean(value)
  defp valid?({:integer, least}, value), do: is_integer(value) and value >= least and value <= 0xFFFFFFFF
  defp valid?({:integer_or, least, atom}, value), do: value == atom or valid?({:integer, least}, value)

  defp accepted({:in, accepted}), do: "one of #{Enum.map_join(accepted, ", ", &inspect/1)}"
  defp accepted({:name, _, description}), do: "a string: #{description}"
  defp accepted(:text), do: ~s(a string such as "app=myapp")
  defp accepted(:path), do: "a string: the path of a folder"
  defp accepted(:boolean), do: "true or false"
  defp accepted({:integer, least}), do: "an integer of milliseconds, at least #{least}"
  defp accepted({:integer_or, least, atom}), do: "#{accepted({:integer, least})}, or #{inspect(atom)}"

  defp domain!(topology, values, env) do
    domain =
      case env["CLUSTER_DOMAIN"] do
        unset when unset in [nil, ""] -> "#{values.kubernetes_cluster_name}.local"
        domain -> domain
      end

    unless domain =~ ~r/\A[A-Za-z0-9.-]{1,220}\z/ do
      refuse(topology, "the environment variable CLUSTER_DOMAIN is #{inspect(domain)}, but must be a DNS name")
    end

    domain
  end

  defp service(%{"KUBERNETES_SERVICE_HOST" => host, "KUBERNETES_SERVICE_PORT" => port}), do: {host, port}
  defp service(_env), do: nil

  defp unknown(key) do
    nearest = @schema |> Keyword.keys() |> Enum.max_by(&String.jaro_distance("#{&1}", "#{key}"))
    "the option #{key} is not known and has no effect; did you mean #{nearest}?"
  end

  @spec refuse(atom(), String.t()) :: no_return()
  defp refuse(topology, message) do
    raise ArgumentError, "libcluster topology #{inspect(topology)}: #{message}"
  end
end
