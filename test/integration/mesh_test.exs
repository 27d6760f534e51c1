defmodule LibclusterKubernetes.MeshTest do
  # Many real nodes that learn of each other in one moment: bench/mesh measures what this asserts.
  use ExUnit.Case, async: false

  alias LibclusterKubernetes.Test.{Crowd, ErlangNode, FakeApiserver, Topology}

  @moduletag timeout: 300_000

  @nodes 2..21

  setup context, do: FakeApiserver.serve(context)

  setup %{server: server} do
    write = &FakeApiserver.put(server, "endpoints", "app", FakeApiserver.endpoints(&1, []))
    config = Topology.config(server, kubernetes_disconnect_after: 30_000)
    crowd = Crowd.new(write, strategy: LibclusterKubernetes.Strategy, config: config)
    %{crowd: Crowd.name(crowd, [])}
  end

  test "twenty nodes that are named in one write become a full mesh, and no link is lost on the way", context do
    crowd = Crowd.start(context.crowd, @nodes)
    for {_number, owner} <- crowd.owners, do: await_watching(owner)

    {result, crowd} = Crowd.measure(crowd, &Crowd.name(&1, @nodes))
    assert result.lost == 0

    # One more, which is named while it boots.
    {result, _crowd} = Crowd.measure(crowd, &(&1 |> Crowd.name(2..22) |> Crowd.start([22])))
    assert result.lost == 0
  end

  test "twenty nodes that are named before they start do, too", %{crowd: crowd} do
    {result, _crowd} = crowd |> Crowd.name(@nodes) |> Crowd.measure(&Crowd.start(&1, @nodes))
    assert result.lost == 0
  end

  defp await_watching(owner) do
    Topology.wait_until(fn ->
      match?({:ok, %{mode: :watch}}, ErlangNode.call(owner, LibclusterKubernetes, :info, [:k8s]))
    end)
  end
end
