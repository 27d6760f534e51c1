defmodule LibclusterKubernetes.HotUpgradeTest do
  # Code that is replaced, or taken away, under topologies that watch. Changes the code of this VM.
  use ExUnit.Case, async: false

  import ExUnit.CaptureLog
  import LibclusterKubernetes.Test.FakeApiserver, only: [endpoints: 1]
  import LibclusterKubernetes.Test.Topology, only: [wait_until: 1]

  alias LibclusterKubernetes.{Native, Strategy}
  alias LibclusterKubernetes.Strategy.Topologies
  alias LibclusterKubernetes.Test.{ErlangNode, FakeApiserver, Package, Recorder, Topology}

  @moduletag :linux
  @moduletag timeout: 300_000

  setup context, do: FakeApiserver.serve(context)

  defp members(server, ips), do: FakeApiserver.put(server, "endpoints", "app", endpoints(ips))

  describe "in this VM" do
    setup %{server: server} do
      {:ok, recorder} = Recorder.start_link()
      members(server, ["10.0.0.1"])
      state = Topology.state(server, recorder, kubernetes_watch: :auto)
      pid = start_supervised!(Topology.child_spec(state))
      assert_receive {:connect, :"app@10.0.0.1", true}
      FakeApiserver.await(server, "watches=1")
      %{pid: pid, recorder: recorder, library: library(pid)}
    end

    defp library(pid) do
      {library, _handle} = :sys.get_state(pid).worker
      library
    end

    # The same process is at work, has let go of nobody, and hears what is new by its one watch.
    defp assert_works_on(%{server: server, pid: pid}, ip) do
      FakeApiserver.await(server, "watches=1")
      members(server, ["10.0.0.1", ip])
      node = :"app@#{ip}"
      assert_receive {:connect, ^node, true}
      assert Process.alive?(pid)
      refute_received {:disconnect, _}
    end

    test "every module can be loaded again, and again", %{server: server, recorder: recorder} = context do
      # A connect that runs in the code that is purged, and is killed by that.
      test = self()
      :sys.replace_state(context.pid, &put_in(&1.topology.connect, {__MODULE__, :hang, [test]}))
      members(server, ["10.0.0.1", "10.0.0.9"])
      assert_receive {:hangs, task}
      killed = Process.monitor(task)

      capture_log(fn ->
        for _ <- 1..2, module <- modules(), module != context.library do
          :code.purge(module)
          assert {:module, ^module} = :code.load_file(module)
        end
      end)

      assert_receive {:DOWN, ^killed, :process, _, :killed}
      :sys.replace_state(context.pid, &put_in(&1.topology.connect, {Recorder, :connect, [recorder]}))
      assert_works_on(context, "10.0.0.2")
    end

    test "the library that is there is not loaded again, which changes nothing", context do
      worker = :sys.get_state(context.pid).worker
      assert {:error, :on_load_failure} = :code.load_file(context.library)
      assert_works_on(context, "10.0.0.2")
      assert :sys.get_state(context.pid).worker == worker
    end

    test "a library that is purged in the middle of a request is loaded again", context do
      FakeApiserver.faults(context.server, [%{at: "request", do: "hang", times: 1}])
      requests = FakeApiserver.summary(context.server)["requests"]
      FakeApiserver.end_watches(context.server)
      wait_until(fn -> FakeApiserver.summary(context.server)["requests"] > requests end)
      ref = :sys.get_state(context.pid).ref

      unload(context.library)
      FakeApiserver.no_faults(context.server)
      wait_until(fn -> :sys.get_state(context.pid).ref != ref end)
      # This process has seen the worker, too.
      :erlang.garbage_collect()
      # The thread of the purged library ends, and closes its connection.
      FakeApiserver.await(context.server, "watches=1&connections_open=1")
      assert_works_on(context, "10.0.0.2")
    end

    test "a library that is gone is missed once, and used when it is back", context do
      # Its module, that is: the VM still has the file open.
      beam = context.library |> :code.which() |> to_string()
      on_exit(fn -> File.rename(beam <> ".away", beam) end)

      log =
        capture_log(fn ->
          File.rename!(beam, beam <> ".away")
          unload(context.library)
          wait_until(fn -> :sys.get_state(context.pid).incident.errors > 3 end)
          File.rename!(beam <> ".away", beam)
          assert_works_on(context, "10.0.0.2")
        end)

      assert [_] = Regex.scan(~r/the library of this version, is not loaded/, log)
      assert log =~ "answers again"
    end

    test "the state of a version that had less in it is completed", context do
      :ok = :sys.suspend(context.pid)
      :sys.replace_state(context.pid, &Map.drop(&1, [:said, :full?]))
      :ok = :sys.change_code(context.pid, Strategy, ~c"0.0.1", [])
      :ok = :sys.resume(context.pid)
      assert_works_on(context, "10.0.0.2")
    end
  end

  describe "a new version" do
    # It is this one under the next number: built by mix, its library a copy of this one with the next number in its name.
    setup do
      folder = Package.copy!(Path.expand("../../_build/test/package/next_version", __DIR__))
      mix_exs = Path.join(folder, "mix.exs")
      File.write!(mix_exs, mix_exs |> File.read!() |> String.replace(~s("#{version()}"), ~s("#{next_version()}")))
      library = Path.join(folder, "next.so")
      this = Application.app_dir(:libcluster_kubernetes, "priv/native/libcluster_kubernetes-#{version()}.so")

      File.write!(
        library,
        this |> File.read!() |> :binary.replace(suffix(version()), suffix(next_version()), [:global])
      )

      assert {_, 0} = Package.mix(folder, ["compile"], [{"LIBCLUSTER_KUBERNETES_NIF", library}])
      next = Path.join(folder, "_build/prod/lib/libcluster_kubernetes")
      File.write!(Path.join(next, "ebin/libcluster_kubernetes.appup"), appup())
      %{next: next}
    end

    test "takes over from this one on connected nodes, and gives back, at the cost of no link", context do
      port = ErlangNode.free_port()
      members(context.server, ["127.0.0.2", "127.0.0.3"])
      nodes = for ip <- ["127.0.0.2", "127.0.0.3"], do: ErlangNode.start(ip, port, [])
      Enum.each(nodes, &start_topology(&1, context.server))
      assert_receive {:node, "127.0.0.2", "nodeup app@127.0.0.3"}, 15_000
      assert_receive {:node, "127.0.0.3", "nodeup app@127.0.0.2"}, 15_000
      pids = Enum.map(nodes, &pid/1)

      next = to_charlist(context.next)
      for node <- nodes, do: assert({:ok, _} = upgrade(node, :upgrade_app, [:libcluster_kubernetes, next]))
      for node <- nodes, do: await_library(node, library_of(next_version()))

      this = to_charlist(Application.app_dir(:libcluster_kubernetes))
      args = [:libcluster_kubernetes, to_charlist(version()), this]
      for node <- nodes, do: assert({:ok, _} = upgrade(node, :downgrade_app, args))
      for node <- nodes, do: await_library(node, library_of(version()))

      # The process that answered has seen the workers, too.
      for node <- nodes, do: ErlangNode.call(node, :erlang, :garbage_collect, [])
      FakeApiserver.await(context.server, "watches=2&connections_open=2")
      assert Enum.map(nodes, &pid/1) == pids
      refute_received {:node, _, _}
    end

    # Under the application's supervisor, for release_handler to find it.
    defp start_topology(node, server) do
      topology = [strategy: Strategy, config: Topology.config(server, polling_interval: 200)]
      child = {Cluster.Supervisor, [[k8s: topology], [name: __MODULE__]]}
      {:ok, _} = ErlangNode.call(node, Supervisor, :start_child, [LibclusterKubernetes.Supervisor, child])
    end

    defp upgrade(node, function, args), do: ErlangNode.call(node, :release_handler, function, args)

    defp pid(node) do
      [{pid, _entry}] = ErlangNode.call(node, Topologies, :all, [])
      pid
    end

    defp await_library(node, library) do
      wait_until(fn -> match?({^library, _}, ErlangNode.call(node, :sys, :get_state, [pid(node)]).worker) end)
    end

    # The one of the guide, for these two versions.
    defp appup do
      guide = File.read!(Path.expand("../../guides/hot-upgrades.md", __DIR__))
      [_, appup] = Regex.run(~r/```erlang\n(.*?)```/s, guide)

      numbers = fn text, one, other ->
        text |> String.replace(one, other) |> String.replace(suffix(one), suffix(other))
      end

      appup |> numbers.("0.2.0", next_version()) |> numbers.("0.1.0", version())
    end
  end

  @doc "A `connect` that never ends."
  def hang(test, _node) do
    send(test, {:hangs, self()})
    Process.sleep(:infinity)
  end

  defp version, do: to_string(Application.spec(:libcluster_kubernetes, :vsn))
  defp next_version, do: String.replace(version(), ~r/\d$/, &to_string(rem(String.to_integer(&1) + 1, 10)))
  defp suffix(version), do: "V" <> String.replace(version, ".", "_")
  defp library_of(version), do: Module.concat(Native, suffix(version))

  # Those of the package. Where they were compiled does not tell: a build can be copied from one checkout to another.
  defp modules do
    Enum.reject(Application.spec(:libcluster_kubernetes, :modules), fn module ->
      match?(["LibclusterKubernetes", "Test" | _], Module.split(module)) or
        match?(["HelloCluster" | _], Module.split(module))
    end)
  end

  defp unload(library) do
    true = :code.delete(library)
    :code.purge(library)
  end
end
