defmodule LibclusterKubernetes.Options do
  alias LibclusterKubernetes.Options.{Schema, Server, Type}

  @moduledoc """
  Every option of `LibclusterKubernetes.Strategy`: its type, default and meaning.

  An option that is `nil` counts as not given. `"true"` and `"false"` are booleans, too, as `System.get_env/1` gives them. A value that is not accepted stops the start with an `ArgumentError`. A
  warning is logged, and the start goes on, where

    * `kubernetes_selector` or `kubernetes_node_basename` is `nil`, as an environment variable is that is not set outside of
      Kubernetes: the topology asks for nothing and finds nobody,
    * an option is given that the `mode` does not use,
    * an option is not in this list, with the nearest name that is, if one is near: libcluster ignores it, too.

  #{for {key, spec} <- Schema.all(), do: "* `:#{key}` (#{Schema.default_text(spec)}) - #{spec[:doc]}.\n"}
  """

  @enforce_keys [:topology, :values, :domain, :service]
  defstruct [:topology, :values, :domain, :service, :idle, warnings: []]

  @typedoc """
  Complete, checked options of one topology. `idle` says why there is nobody to look for, where that is so: no request can
  be made with them.
  """
  @type t :: %__MODULE__{
          topology: atom(),
          values: %{atom() => term()},
          domain: String.t(),
          service: {String.t(), String.t()} | nil,
          idle: String.t() | nil,
          warnings: [String.t()]
        }

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

    # In their order: what is used, and by default, depends on options before it.
    values = Enum.reduce(Schema.all(), %{}, &Map.put(&2, elem(&1, 0), value!(topology, &1, config, &2)))
    check_together!(topology, values)
    idle = idle(values)

    %__MODULE__{
      topology: topology,
      values: values,
      domain: domain!(topology, values, env),
      service: service(env),
      idle: idle,
      warnings: if(idle, do: [idle], else: []) ++ unused(config, values) ++ unknown(config)
    }
  end

  @doc "Those of another version of this package: an option that it did not have gets its default."
  @spec complete(t()) :: t()
  def complete(%__MODULE__{values: values} = options) do
    defaults =
      Map.new(Schema.all(), fn {key, spec} -> {key, Schema.default(spec, values.kubernetes_ip_lookup_mode)} end)

    %{options | values: Map.merge(defaults, values)}
  end

  @doc "The options as the NIF takes them: one complete map. There is none for those that are idle."
  @spec to_native(t(), node()) :: map()
  def to_native(%__MODULE__{values: values, idle: nil} = options, node \\ node()) do
    {service_host, service_port} = options.service || {nil, nil}

    %{
      source: values.kubernetes_ip_lookup_mode,
      namespace: values.kubernetes_namespace,
      selector: values.kubernetes_selector,
      field_selector: values.kubernetes_field_selector,
      cached: values.kubernetes_use_cached_resources,
      include_not_ready: values.kubernetes_include_not_ready,
      ip_family: ip_family(values, node),
      rollout_label: values.kubernetes_rollout_label,
      node: Atom.to_string(node),
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

  # Slices come in one for each family, where pods say themselves which address is the primary one. Nodes whose distribution
  # speaks this node's family are those that have names of it.
  defp ip_family(%{kubernetes_ip_family: :primary, kubernetes_ip_lookup_mode: :endpoint_slices, mode: :ip}, node) do
    [_basename, host] = node |> Atom.to_string() |> String.split("@", parts: 2)

    case :inet.parse_strict_address(String.to_charlist(host)) do
      {:ok, address} when tuple_size(address) == 4 -> :ipv4
      {:ok, _address} -> :ipv6
      {:error, _} -> :primary
    end
  end

  defp ip_family(values, _node), do: values.kubernetes_ip_family

  defp value!(topology, {key, spec}, config, before) do
    default = Schema.default(spec, before[:kubernetes_ip_lookup_mode])

    case {Keyword.fetch(config, key), spec[:required]} do
      {:error, true} ->
        refuse(topology, "the option #{key} is required: #{Type.accepted(spec[:type])}")

      {{:ok, value}, _} when value != nil ->
        case Type.cast(spec[:type], value) do
          {:ok, value} ->
            value

          :error ->
            accepted = Type.accepted(spec[:type])
            if unused?(spec, before), do: default, else: refuse(topology, wrong(key, value, "must be #{accepted}"))
        end

      _not_given ->
        default
    end
  end

  defp wrong(key, value, must), do: "the option #{key} is #{inspect(value)}, but #{must}"

  # What would do something else than was asked for is not started with.
  defp check_together!(topology, values) do
    source = values.kubernetes_ip_lookup_mode

    if values.mode == :hostname and values.kubernetes_service_name == nil do
      refuse(topology, "mode: :hostname needs kubernetes_service_name, the headless Service of the StatefulSet")
    end

    with {:label, _} <- values.kubernetes_node_basename, true <- source != :pods do
      refuse(topology, needs_pods(:kubernetes_node_basename, values))
    end

    # Without it, versions would meet that must not.
    if values.kubernetes_rollout_label != nil and source != :pods do
      refuse(topology, needs_pods(:kubernetes_rollout_label, values))
    end
  end

  defp needs_pods(key, values) do
    "#{key} is #{inspect(values[key])}, which needs kubernetes_ip_lookup_mode: :pods: " <>
      "#{values.kubernetes_ip_lookup_mode} do not carry the labels of pods"
  end

  defp idle(values) do
    missing = for key <- [:kubernetes_node_basename, :kubernetes_selector], values[key] == nil, do: key

    if missing != [] do
      "#{Enum.join(missing, " and ")} #{if length(missing) == 1, do: "is", else: "are"} nil, so that this topology asks for " <>
        "nothing and finds nobody. Outside of Kubernetes that is as it should be; inside, an environment variable is not set"
    end
  end

  defp unused?(spec, values), do: spec[:modes] != nil and values.mode not in spec[:modes]

  defp unused(config, values) do
    for {key, spec} <- Schema.all(),
        config[key] not in [nil, spec[:default]],
        unused?(spec, values),
        do:
          "the option #{key} is #{inspect(config[key])}, but mode #{inspect(values.mode)} does not use it: it has no effect"
  end

  defp unknown(config) do
    known = Keyword.keys(Schema.all())

    for {key, _} <- config, key not in known do
      {nearest, similarity} = known |> Enum.map(&{&1, similarity(&1, key)}) |> Enum.max_by(&elem(&1, 1))
      suggestion = if similarity >= 0.8, do: "; did you mean #{nearest}?", else: ""
      "the option #{key} is not known and has no effect#{suggestion}"
    end
  end

  # Nearly all have the same beginning.
  defp similarity(one, other) do
    [one, other] = for key <- [one, other], do: key |> Atom.to_string() |> String.replace_prefix("kubernetes_", "")
    String.jaro_distance(one, other)
  end

  defp domain!(topology, values, env) do
    {origin, given} =
      case env["CLUSTER_DOMAIN"] do
        unset when unset in [nil, ""] ->
          {"the domain of kubernetes_cluster_name", "#{values.kubernetes_cluster_name}.local"}

        domain ->
          {"the environment variable CLUSTER_DOMAIN", domain}
      end

    # A final dot spares the API's address the search list. In the name of a node it would be another node.
    domain = String.replace_suffix(given, ".", "")

    unless Server.host_name?(domain) do
      refuse(topology, "#{origin} is #{inspect(given)}, but must be a DNS name")
    end

    unless Server.valid?(Server.complete(values.kubernetes_master, domain)) do
      refuse(
        topology,
        wrong(:kubernetes_master, values.kubernetes_master, "with the domain #{domain} it is too long a name")
      )
    end

    domain
  end

  # Bytes that are no text cannot go into an address, nor into the NIF.
  defp service(%{"KUBERNETES_SERVICE_HOST" => host, "KUBERNETES_SERVICE_PORT" => port}),
    do: if(String.valid?(host <> port), do: {host, port})

  defp service(_env), do: nil

  @spec refuse(atom(), String.t()) :: no_return()
  defp refuse(topology, message) do
    raise ArgumentError, "libcluster topology #{inspect(topology)}: #{message}"
  end
end
