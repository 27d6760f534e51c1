import Config

# Read when the release starts. In development and in tests the node stays alone.
if config_env() == :prod do
  choice = fn name, default, accepted ->
    value = System.get_env(name, default)

    cond do
      value == nil -> nil
      value in accepted -> String.to_atom(value)
      true -> raise "#{name} is #{inspect(value)}; accepted: #{Enum.join(accepted, ", ")}"
    end
  end

  milliseconds = fn name ->
    with value when value != nil <- System.get_env(name) do
      case Integer.parse(value) do
        {number, ""} when number >= 0 -> number
        _ -> raise "#{name} is #{inspect(value)}; accepted: a whole number of milliseconds"
      end
    end
  end

  options = [
    mode: choice.("HELLO_MODE", "ip", ~w(ip dns hostname)),
    kubernetes_node_basename: "hello_cluster",
    kubernetes_selector: System.get_env("HELLO_SELECTOR", "app=hello-cluster"),
    kubernetes_ip_lookup_mode: choice.("HELLO_LOOKUP", nil, ~w(endpoints pods endpoint_slices)),
    kubernetes_watch: choice.("HELLO_WATCH", nil, ~w(auto false)),
    kubernetes_namespace: System.get_env("HELLO_NAMESPACE"),
    kubernetes_service_name: System.get_env("HELLO_SERVICE"),
    kubernetes_master: System.get_env("HELLO_MASTER"),
    kubernetes_service_account_path: System.get_env("HELLO_SERVICE_ACCOUNT"),
    kubernetes_disconnect_after: milliseconds.("HELLO_DISCONNECT_AFTER"),
    polling_interval: milliseconds.("HELLO_POLLING_INTERVAL")
  ]

  # To compare: the options are the same.
  strategy =
    case choice.("HELLO_STRATEGY", "libcluster_kubernetes", ~w(libcluster_kubernetes libcluster)) do
      :libcluster_kubernetes -> LibclusterKubernetes.Strategy
      :libcluster -> Cluster.Strategy.Kubernetes
    end

  config :hello_cluster, timestamps: choice.("HELLO_TIMESTAMPS", "false", ~w(true false))

  config :libcluster,
    topologies: [
      hello_cluster: [
        strategy: strategy,
        # What is not set is left out, so that the package's default holds.
        config: Enum.reject(options, fn {_name, value} -> value == nil end)
      ]
    ]
end
