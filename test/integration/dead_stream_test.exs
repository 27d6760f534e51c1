defmodule LibclusterKubernetes.DeadStreamTest do
  use ExUnit.Case, async: true

  import LibclusterKubernetes.Test.FakeApiserver, only: [endpoints: 1]

  alias LibclusterKubernetes.{Native, Options}
  alias LibclusterKubernetes.Test.{Cable, FakeApiserver, Topology}

  defp start(server, changes) do
    options = Options.new!(:dead_stream, Topology.config(server, kubernetes_request_timeout: 1_000), %{})

    {:ok, {worker, ref}} = options |> Options.to_native() |> Map.merge(changes) |> Native.start(self())
    on_exit(fn -> Native.stop(worker) end)
    Topology.snapshot_with({worker, ref}, ["app@10.0.0.1"])
    assert_receive {:libcluster_kubernetes, ^ref, :watching}
    {worker, ref}
  end

  @tag :network_namespace
  @tag timeout: 120_000
  test "a cut cable is noticed within 30 seconds, and the watch goes on when it is mended" do
    cable = Cable.lay!()
    on_exit(fn -> Cable.remove(cable) end)
    address = cable.address

    server =
      FakeApiserver.start!(
        ["--listen", "#{address}:0", "--san", address],
        Cable.via(cable)
      )

    on_exit(fn -> File.rm_rf!(server.dir) end)
    FakeApiserver.put(server, "endpoints", "app", endpoints(["10.0.0.1"]))
    {_, ref} = discovery = start(server, %{watch_retry_ms: 3_200})

    Cable.cut!(cable)
    # Noticed by TCP's keepalive after 25 seconds; the rest is the pause and the new connection that fails.
    assert_receive {:libcluster_kubernetes, ^ref, {:error, %{message: message}}}, 30_000
    # The watch broke, or the next one could not be opened, and neither could a list.
    assert message =~ ~r/cannot (watch|list) endpoints/

    Cable.mend!(cable)
    # A watch that could not be opened in time is tried again with one of the next lists.
    Topology.refresh_until_watching(discovery, 30_000)
    FakeApiserver.put(server, "endpoints", "app", endpoints(["10.0.0.2"]))
    Topology.snapshot_with(discovery, ["app@10.0.0.2"])
  end

  describe "a server that is alive but silent" do
    setup context, do: FakeApiserver.serve(context)

    setup %{server: server} do
      FakeApiserver.put(server, "endpoints", "app", endpoints(["10.0.0.1"]))
      :ok
    end

    test "is replaced once it has been silent for longer than between two bookmarks", %{server: server} do
      FakeApiserver.bookmarks(server, 100)
      discovery = start(server, %{watch_silence_ms: 1_000})
      FakeApiserver.clear_journal(server)
      FakeApiserver.silent_watches(server, true)
      # What the silent stream holds back arrives on the one that takes its place.
      FakeApiserver.put(server, "endpoints", "app", endpoints(["10.0.0.2"]))
      FakeApiserver.await(server, "watches=1")
      FakeApiserver.silent_watches(server, false)
      Topology.snapshot_with(discovery, ["app@10.0.0.2"])
      # A stream that told nothing at all may wait for a version that is ahead of the server: only a list tells.
      assert %{"lists" => 1} = FakeApiserver.summary(server)
    end
  end
end
