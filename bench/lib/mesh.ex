defmodule LibclusterKubernetes.Bench.Mesh do
  @moduledoc """
  How real nodes become a full mesh, with both strategies in turn: `bench/mesh` calls `main/1`, bench/README.md says what
  the figures are.
  """

  alias LibclusterKubernetes.Bench.{Client, Stats}
  alias LibclusterKubernetes.Test.{Crowd, KubeApiserver}

  @usage "usage: bench/mesh N [--join] [--runs N] [--only ours|stock]"
  @rule %{apiGroups: [""], resources: ["endpoints"], verbs: ["list", "watch"]}
  # What bench/mesh gives the loopback device: Endpoints refuse loopback addresses.
  @network "10.77.0"
  # Until every strategy has asked once, and is at rest.
  @settle 6_000

  @doc "Measures and prints."
  def main(args) do
    {opts, rest, wrong} = OptionParser.parse(args, strict: [join: :boolean, runs: :integer, only: :string])
    if wrong != [], do: fail(@usage)

    count =
      with [text] <- rest, {count, ""} when count in 2..250 <- Integer.parse(text), do: count, else: (_ -> fail(@usage))

    server = KubeApiserver.start!()

    try do
      run(server, count, opts)
    after
      KubeApiserver.stop(server)
    end
  end

  defp run(server, count, opts) do
    who = who(opts[:only])
    what = if opts[:join], do: "one more joins #{count} nodes", else: "#{count} nodes, named in one write"
    IO.puts("#{what}, on kube-apiserver #{KubeApiserver.get!(server, "/version")["gitVersion"]}")

    results =
      for run <- 1..Keyword.get(opts, :runs, 3), one <- who do
        result = measure(server, one, "#{one}-#{run}", count, opts[:join] == true)
        IO.puts("  #{pad(one)} #{text(result)}")
        {one, result}
      end

    IO.puts("median")
    for one <- who, do: IO.puts("  #{pad(one)} #{text(median(for({^one, result} <- results, do: result)))}")
  end

  defp who("ours"), do: [:ours]
  defp who("stock"), do: [:stock]
  defp who(nil), do: if(Code.ensure_loaded?(Cluster.Strategy.Kubernetes), do: [:ours, :stock], else: [:ours])
  defp who(_other), do: fail(@usage)

  defp measure(server, who, namespace, count, join?) do
    crowd = new(server, who, namespace)
    first = 2
    last = first + count - 1

    crowd = crowd |> Crowd.name([]) |> Crowd.start(first..last)
    Crowd.call(crowd, Client.Vm, :load_modules, [])
    Process.sleep(@settle)
    {result, crowd} = Crowd.measure(crowd, &Crowd.name(&1, first..last))
    {result, crowd} = if join?, do: join(crowd, first, last), else: {result, crowd}
    Crowd.stop(crowd)
    result
  end

  # It is named while its VM boots, as a pod of a source that does not wait for readiness. The boot counts: the stock strategy's
  # start is over when it has connected.
  defp join(crowd, first, last) do
    Crowd.measure(crowd, &(&1 |> Crowd.name(first..(last + 1)) |> Crowd.start([last + 1])))
  end

  defp new(server, who, namespace) do
    folder = KubeApiserver.service_account!(server, namespace, "app")
    KubeApiserver.grant!(server, namespace, "app", [@rule])
    "https://127.0.0.1:" <> port = server.url

    config = [
      mode: :ip,
      kubernetes_node_basename: "app",
      kubernetes_selector: "app=app",
      kubernetes_namespace: namespace,
      kubernetes_service_account_path: folder,
      kubernetes_master: if(who == :ours, do: server.url, else: "localhost:#{port}")
    ]

    # The only way to give libcluster's strategy a port.
    env = if who == :stock, do: [{~c"CLUSTER_DOMAIN", ~c"localhost:#{port}"}], else: []
    Crowd.new(&write!(server, namespace, &1), [strategy: strategy(who), config: config], network: @network, env: env)
  end

  # Each with its pod, whose namespace libcluster's strategy wants.
  defp write!(server, namespace, ips) do
    addresses = for ip <- ips, do: %{ip: ip, targetRef: %{kind: "Pod", namespace: namespace, name: "app-" <> ip}}

    KubeApiserver.put!(server, "/api/v1/namespaces/#{namespace}/endpoints/app", %{
      apiVersion: "v1",
      kind: "Endpoints",
      metadata: %{name: "app", labels: %{app: "app"}},
      subsets: if(addresses == [], do: [], else: [%{addresses: addresses, ports: [%{port: 4369}]}])
    })
  end

  defp strategy(:ours), do: LibclusterKubernetes.Strategy
  defp strategy(:stock), do: Cluster.Strategy.Kubernetes

  defp text(%{wall: wall, cpu: cpu, lost: lost}) do
    "#{seconds(wall)} s to the full mesh, #{seconds(cpu)} s of CPU of all nodes, #{lost} links lost"
  end

  defp seconds(ms), do: :erlang.float_to_binary(ms / 1000, decimals: 2)

  defp median(results) do
    Map.new([:wall, :cpu, :lost], fn key -> {key, results |> Enum.map(& &1[key]) |> Stats.median()} end)
  end

  defp pad(who), do: String.pad_trailing("#{who}", 5)

  @spec fail(String.t()) :: no_return()
  defp fail(message) do
    IO.puts(:stderr, message)
    System.halt(2)
  end
end
