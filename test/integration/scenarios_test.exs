defmodule LibclusterKubernetes.FakeScenariosTest do
  use ExUnit.Case, async: true

  import LibclusterKubernetes.Test.Scenarios, only: [start: 1]

  alias LibclusterKubernetes.Test.{FakeApiserver, Topology}

  # Before the tests, as it counts for those that follow.
  @moduletag :linux
  @moduletag timeout: 60_000

  use LibclusterKubernetes.Test.Scenarios

  setup context, do: FakeApiserver.serve(context)

  test "history that is forgotten costs no more than a list: all sources", %{server: server} do
    server |> Scenarios.expired() |> Scenarios.watch_again()
  end

  # The real one does this while its RBAC has not read the roles yet.
  test "a server that refuses with 403 while it starts is heard within 5 s of its readiness", %{server: server} do
    api = Api.new(server, :endpoints)
    Api.members(api, ["10.1.0.1"])
    topologies = for number <- 1..20, do: "n#{number}"

    for name <- topologies do
      Scenarios.start(api, [kubernetes_node_basename: name], String.to_atom(name))
      Scenarios.assert_connect("#{name}@10.1.0.1")
    end

    Api.await_watches_open(api, 20)
    FakeApiserver.listening(server, false)
    refute_receive {:disconnect, _}, 15_000
    FakeApiserver.faults(server, [%{at: "request", do: %{status: %{code: 403}}}])
    FakeApiserver.listening(server, true)
    # A start takes about as long.
    refute_receive {:disconnect, _}, 1_500
    FakeApiserver.no_faults(server)
    Api.members(api, ["10.1.0.1", "10.1.0.2"])
    ready = System.monotonic_time(:millisecond)

    for name <- topologies do
      Scenarios.assert_connect("#{name}@10.1.0.2", max(0, ready + 5_000 - System.monotonic_time(:millisecond)))
    end
  end

  # The real server cannot be made to do these.
  for source <- [:endpoints, :endpoint_slices, :pods] do
    for {name, path} <- [{"a watch that the server ends", "/watches/end"}, {"a stream that is cut", "/watches/cut"}] do
      @tag source: source, path: path
      test "#{name} goes on, with what happened meanwhile and without a list: #{source}", context do
        api = watching(context)

        for number <- 3..5 do
          without_watches(context, fn -> Api.members(api, ips(number)) end)
          Scenarios.assert_connect("app@10.1.0.#{number}")
          Api.await_watches_open(api, 1)
        end

        assert Api.lists(api) == 1
        refute_received {:disconnect, _}
      end
    end

    @tag source: source
    test "a server that is gone for a while is watched again, without a list: #{source}", context do
      api = watching(context)
      FakeApiserver.listening(context.server, false)
      Api.members(api, ips(3))
      refute_receive {:disconnect, _}, 1_000
      FakeApiserver.listening(context.server, true)
      assert_receive {:connect, :"app@10.1.0.3", true}, 20_000
      assert Api.lists(api) == 1
      refute_received {:disconnect, _}
    end
  end

  defp watching(%{server: server, source: source}) do
    api = Api.new(server, source)
    Api.members(api, ips(2))
    start(api)
    assert_receive {:connect, :"app@10.1.0.1", true}
    assert_receive {:connect, :"app@10.1.0.2", true}
    Api.await_watches_open(api, 1)
    api
  end

  defp ips(count), do: for(number <- 1..count, do: "10.1.0.#{number}")

  # Ends the watches, and calls `meanwhile` when a new one has been refused.
  defp without_watches(%{server: server, path: path}, meanwhile) do
    refused = refused(server)
    FakeApiserver.faults(server, [%{at: "request", verb: "watch", do: %{status: %{code: 503}}}])
    Api.control(server, :post, path)
    Topology.wait_until(fn -> refused(server) > refused end)
    meanwhile.()
    FakeApiserver.no_faults(server)
  end

  defp refused(server), do: Enum.count(FakeApiserver.journal(server), &(&1["status"] == 503))
end

defmodule LibclusterKubernetes.KubeScenariosTest do
  use ExUnit.Case, async: false

  alias LibclusterKubernetes.Test.KubeApiserver

  @moduletag :linux
  @moduletag :kube_apiserver
  @moduletag timeout: 120_000

  use LibclusterKubernetes.Test.Scenarios

  setup_all do: KubeApiserver.setup_all(audit: true)

  test "history that is forgotten disconnects nobody, and after the restart all sources are watched again", context do
    context.server |> Scenarios.expired() |> Scenarios.watch_again()
  end
end
