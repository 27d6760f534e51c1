defmodule LibclusterKubernetes.Bench.PodsTest do
  # bench/pods runs it: a test only in that what it started is removed, whatever happens.
  use LibclusterKubernetes.Test.Cluster.Case, async: false

  @sources [:endpoints, :libcluster]
  # Half of them on the node that is cut off.
  @spread %{
    topologySpreadConstraints: [
      %{
        maxSkew: 1,
        topologyKey: "kubernetes.io/hostname",
        whenUnsatisfiable: "ScheduleAnyway",
        labelSelector: %{matchLabels: %{test: "app"}},
        matchLabelKeys: ["app", "pod-template-hash"]
      }
    ]
  }
  @pods 6
  # A poll of the stock strategy, and time to take down what it takes down.
  @hold 20

  @steps [
    start: "start of 6 pods",
    grow: "6 pods become 12",
    shrink: "12 pods become 6",
    replace: "rolling update",
    unready: "one is not ready for 20 s",
    all_unready: "all are not ready for 20 s",
    service: "the Service is deleted for 20 s",
    api: "the API server is away for 60 s",
    cut: "a node is cut off for 20 s"
  ]

  test "side by side" do
    unless Code.ensure_loaded?(Cluster.Strategy.Kubernetes),
      do: flunk("libcluster's own strategy is not there: set ERL_LIBS to a folder with libcluster, or let Hex fetch it")

    scenario = Scenario.new!("side by side", @sources, @pods)
    {rows, _scenario} = @steps |> Enum.filter(&possible?/1) |> Enum.map_reduce(scenario, &run/2)
    print(rows)
  end

  defp possible?({:api, _}), do: Abilities.has?(:stop) and Abilities.has?(:start)
  defp possible?({:cut, _}), do: Enum.all?([:node, :cut, :mend], &Abilities.has?/1)
  defp possible?(_), do: true

  defp run({step, what}, scenario) do
    {opts, act} = step(step, scenario)
    {results, scenario} = Scenario.measure(scenario, opts, act)
    for {source, %{missing: missing}} <- results, missing, do: IO.puts("#{what}, #{source}: #{missing}")
    {{what, Map.new(results)}, scenario}
  end

  defp step(:start, scenario) do
    opts = [spec: Map.merge(Scenario.gated(), @spread), replicas: @pods, probe: true, anywhere: true]
    {[], fn -> Scenario.start(scenario, [starting: &ready!(&1, @pods)] ++ opts) end}
  end

  defp step(:grow, scenario), do: {[pods: 12], fn -> scale!(scenario, 12) end}
  defp step(:shrink, scenario), do: {[pods: 6], fn -> scale!(scenario, 6) end}

  defp step(:replace, scenario) do
    old = MapSet.new(Scenario.some(scenario, @pods), & &1.uid)
    replaced? = fn pods -> Enum.all?(pods, &(&1.gone? or &1.uid not in old)) end

    act = fn ->
      for source <- @sources, do: Scenario.restart(scenario, source)
      await_all_ready(scenario, &Enum.all?(&1, fn pod -> pod.uid not in old end))
    end

    {[until: replaced?], act}
  end

  defp step(:unready, scenario), do: {[], fn -> unready(scenario, Scenario.some(scenario, 1)) end}
  defp step(:all_unready, scenario), do: {[], fn -> unready(scenario, Scenario.some(scenario, @pods)) end}

  defp step(:service, scenario) do
    {[],
     fn ->
       for source <- @sources, do: Kubectl.delete!(Scenario.path(scenario, "services", App.name(source)))
       Scenario.last(@hold)
       Kubectl.apply!(scenario.namespace, Enum.map(@sources, &App.service/1))
     end}
  end

  defp step(:api, _scenario) do
    {[],
     fn ->
       Abilities.run!(:stop, ["kube-apiserver"])
       Scenario.last(60)
       Abilities.run!(:start, ["kube-apiserver"])
       Scenario.await("the API is ready", &Kubectl.ready?/0)
     end}
  end

  defp step(:cut, _scenario) do
    node = Abilities.node!()
    on_exit(fn -> Abilities.run!(:mend, [node]) end)

    {[],
     fn ->
       Abilities.run!(:cut, [node])
       Scenario.last(20)
       Abilities.run!(:mend, [node])
     end}
  end

  defp scale!(scenario, count) do
    Scenario.scale(scenario, count)
    ready!(scenario, count)
  end

  defp ready!(scenario, count) do
    await_all_ready(scenario, &(Enum.count(&1, fn pod -> Pod.stays?(pod) end) == count * length(@sources)))
  end

  # Pods become ready by the condition only, so that readiness is the bench's to give.
  defp await_all_ready(scenario, enough?) do
    Scenario.await("all pods", fn ->
      pods = Scenario.some(scenario, 100)
      Scenario.ready(scenario, Enum.reject(pods, & &1.ready?), "True")
      enough?.(pods)
    end)
  end

  defp unready(scenario, pods) do
    Scenario.ready(scenario, pods, "False")
    Scenario.last(@hold)
    Scenario.ready(scenario, pods, "True")
  end

  ## The table

  defp print(rows) do
    IO.puts("\n| | this: seconds, links lost, requests | stock: seconds, links lost, requests |\n|---|---|---|")

    for {what, results} <- rows do
      IO.puts("| #{what} | #{Enum.map_join(@sources, " | ", &cell(results[&1]))} |")
    end

    IO.puts("\nseconds: from the event, or the start of the last pod, until the links changed for the last time")
    IO.puts("links lost: among pods that lived on, each link once; requests: of all pods, as the audit log has them")
  end

  defp cell(%{missing: nil} = result) do
    "#{Float.round(result.changed / 1_000, 1)} s, #{lost(result.lost)}, #{requests(result.requests)}"
  end

  defp cell(result), do: "not whole, #{lost(result.lost)}, #{requests(result.requests)}"

  defp lost(losses) do
    losses |> Enum.uniq_by(fn {_at, one, other} -> Enum.sort([one.uid, other.uid]) end) |> length()
  end

  defp requests(nil), do: "unknown"
  defp requests(requests), do: length(requests)
end
