defmodule LibclusterKubernetes.NamesTest do
  # Sets CLUSTER_DOMAIN, the only way to give libcluster's strategy a port.
  use ExUnit.Case, async: false

  alias LibclusterKubernetes.Options
  alias LibclusterKubernetes.Test.{FakeApiserver, Recorder, Topology}

  @moduletag :real_libcluster
  @cases 200

  setup context, do: FakeApiserver.serve(context)

  test "the names equal those of Cluster.Strategy.Kubernetes, for every well-formed list and option", %{server: server} do
    %URI{port: port} = URI.parse(server.url)
    System.put_env("CLUSTER_DOMAIN", "localhost:#{port}")
    on_exit(fn -> System.delete_env("CLUSTER_DOMAIN") end)

    for number <- 1..@cases do
      source = pick([:endpoints, :pods])
      mode = pick([:ip, :dns, :hostname])
      objects = for index <- 1..pick([1, 1, 2, 5]), do: {"object-#{index}", object(source, index)}
      for {name, object} <- objects, do: FakeApiserver.put(server, source, pick(["default", "default"]), name, object)

      config = [
        mode: mode,
        kubernetes_node_basename: pick(["app", "my_app", :"my-app"]),
        kubernetes_selector: pick(["app=app", "app in (app,web)", "tier!=db,app", "!other"]),
        kubernetes_ip_lookup_mode: source,
        kubernetes_service_name: "headless",
        kubernetes_cluster_name: pick([nil, "cluster", "kube"]) || "cluster",
        kubernetes_namespace: pick([nil, "default", "default"]) || "default",
        kubernetes_use_cached_resources: pick([true, false]),
        kubernetes_service_account_path: server.service_account
      ]

      assert ours(server, config) == theirs(port, config),
             "case #{number}: #{inspect({config, objects}, limit: :infinity)}"

      for {name, _} <- objects, do: FakeApiserver.delete(server, source, "default", name)
    end
  end

  defp ours(server, config) do
    options = Options.new!(:names, config ++ [kubernetes_master: server.url], %{})
    {:ok, snapshot} = options |> Options.to_native() |> Topology.list()
    assert %{dropped: [], draining: []} = snapshot
    Enum.map(snapshot.ready, &String.to_atom/1)
  end

  # The strategy connects to what it found before start_link/1 returns.
  defp theirs(port, config) do
    {:ok, recorder} = Recorder.start_link()
    config = config ++ [kubernetes_master: "localhost:#{port}", polling_interval: 3_600_000]
    state = struct!(Cluster.Strategy.State, Recorder.mfas(recorder) ++ [topology: :names, config: config])
    # By apply: the stand-in does not have it.
    {:ok, pid} = apply(Cluster.Strategy.Kubernetes, :start_link, [[state]])
    names = recorder |> Recorder.list_nodes() |> Enum.sort()
    GenServer.stop(pid)
    names
  end

  defp object(:endpoints, index) do
    addresses = for _ <- 1..pick([1, 3]), do: address(index)
    subsets = for(part <- split(addresses), do: %{addresses: part, notReadyAddresses: pick([[], [address(index)]])})
    %{metadata: %{labels: labels()}, subsets: subsets}
  end

  defp object(:pods, index) do
    %{ip: ip, hostname: hostname} = address(index)

    %{
      metadata: %{labels: labels()},
      spec: %{hostname: hostname},
      status: %{
        phase: "Running",
        podIP: ip,
        podIPs: [%{ip: ip}],
        conditions: [%{type: "Ready", status: pick(["True", "False"])}]
      }
    }
  end

  defp address(index) do
    ip = "10.#{pick(0..255)}.#{pick(0..255)}.#{pick(1..254)}"
    %{ip: ip, hostname: "app-#{index}-#{pick(0..9)}", targetRef: %{kind: "Pod", name: "p", namespace: "default"}}
  end

  defp labels, do: %{app: pick(["app", "app", "web", "other"]), tier: pick(["db", "front"])}
  defp split(list), do: if(pick([true, false]), do: [list], else: Enum.map(list, &[&1]))
  defp pick(choices), do: Enum.random(choices)
end
