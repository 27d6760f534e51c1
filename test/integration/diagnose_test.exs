defmodule LibclusterKubernetes.DiagnoseTest do
  # Broken set-ups of nodes, each a real one on a loopback address, with the fake API server. Those of the API are in
  # diagnose_kube_test.exs.
  use ExUnit.Case, async: false

  import LibclusterKubernetes.Test.ErlangNode, only: [without_epmd: 1]
  import LibclusterKubernetes.Test.FakeApiserver, only: [endpoints: 1]

  alias LibclusterKubernetes.Diagnosis
  alias LibclusterKubernetes.Test.{ErlangNode, FakeApiserver, Topology}

  @moduletag timeout: 120_000

  @guide File.read!("guides/diagnose.md")

  setup context, do: FakeApiserver.serve(context)

  setup %{server: server} do
    FakeApiserver.put(server, "endpoints", "app", endpoints(["127.0.0.2", "127.0.0.3"]))
    %{port: ErlangNode.free_port()}
  end

  defp config(context, more \\ []), do: Topology.config(context.server, Keyword.merge([polling_interval: 200], more))

  # A node, its topology with this config, and the name it has.
  defp start(context, number, opts \\ []) do
    ip = "127.0.0.#{number}"
    topologies = [k8s: [strategy: LibclusterKubernetes.Strategy, config: config(context, opts[:config] || [])]]
    owner = ErlangNode.launch(ip, opts[:port] || context.port, topologies, opts[:env] || [], opts[:name])
    ErlangNode.await_started(ip)
    owner
  end

  defp diagnose(owner) do
    diagnosis = ErlangNode.call(owner, LibclusterKubernetes, :diagnose, [:k8s])
    # The token is nowhere in it.
    refute inspect(Map.from_struct(diagnosis), limit: :infinity, structs: false) =~ "Bearer"
    diagnosis
  end

  defp check(diagnosis, name), do: Enum.find(diagnosis.checks, &(&1.name == name))

  test "nothing is wrong: every check is ok", context do
    two = start(context, 2)
    start(context, 3)
    assert_receive {:node, "127.0.0.2", "nodeup app@127.0.0.3"}, 15_000

    diagnosis = diagnose(two)
    assert diagnosis.cause == nil, "#{diagnosis}"
    assert Enum.map(diagnosis.checks, &{&1.name, &1.status}) |> Enum.reject(&match?({_, :ok}, &1)) == []
    assert %{found: "app@127.0.0.3: connected"} = check(diagnosis, :member)
    assert to_string(diagnosis) =~ "Topology :k8s on app@127.0.0.2\nNo check failed."
    for %{name: name} <- diagnosis.checks, do: assert(@guide =~ "| `#{name}` |")
    assert [%Diagnosis{topology: :k8s, cause: nil}] = ErlangNode.call(two, LibclusterKubernetes, :diagnose, [])
  end

  test "1. not distributed", context do
    diagnosis = LibclusterKubernetes.diagnose(config: config(context))
    assert %{name: :distribution, found: found, remedy: remedy} = diagnosis.cause
    assert found =~ "not distributed"
    assert remedy =~ "export RELEASE_DISTRIBUTION=name"
    # What can be known all the same is.
    assert check(diagnosis, :names).status == :ok
    assert check(diagnosis, :member).status == :skipped
  end

  test "2. short names", context do
    diagnosis = context |> start(2, name: without_epmd(["-sname", "app"])) |> diagnose()
    assert %{name: :distribution, found: "app@" <> _ = found, remedy: remedy} = diagnosis.cause
    assert found =~ "short name"
    assert remedy =~ "export RELEASE_DISTRIBUTION=name"
  end

  test "3. wrong basename", context do
    diagnosis = context |> start(2, name: without_epmd(["-name", "web@127.0.0.2"])) |> diagnose()
    assert %{name: :node_name, data: %{differences: [:basename], expected: "app@POD_IP"}} = diagnosis.cause
    assert diagnosis.cause.found =~ ~s(kubernetes_node_basename is "app", but its basename is "web")
    assert diagnosis.cause.remedy =~ ~s(kubernetes_node_basename: "web")
  end

  test "4. wrong domain", context do
    name = without_epmd(["-name", "app@127-0-0-2.default.pod.k8s.internal"])
    diagnosis = context |> start(2, name: name, config: [mode: :dns]) |> diagnose()
    assert %{name: :node_name, data: %{differences: [:domain]}} = diagnosis.cause
    assert diagnosis.cause.found =~ ~s(the domain is "cluster.local", but its domain is "k8s.internal")
    assert diagnosis.cause.remedy =~ "CLUSTER_DOMAIN"
    assert diagnosis.cause.remedy =~ "app@POD-IP-WITH-DASHES.default.pod.cluster.local"
  end

  test "5. wrong cookie", context do
    three = start(context, 3)
    true = ErlangNode.call(three, Node, :set_cookie, [:another])
    diagnosis = context |> start(2) |> diagnose()
    assert %{name: :member, data: %{member: "app@127.0.0.3", reason: :cookie}} = diagnosis.cause
    assert diagnosis.cause.found =~ "refuses the cookie"
    assert diagnosis.cause.remedy =~ "RELEASE_COOKIE"
  end

  test "6. closed port", context do
    start(context, 3, port: ErlangNode.free_port())
    diagnosis = context |> start(2) |> diagnose()
    assert %{name: :member, data: %{member: "app@127.0.0.3", reason: :port}} = diagnosis.cause
    assert diagnosis.cause.found =~ "no connection to 127.0.0.3, port #{context.port}: :econnrefused"
    assert diagnosis.cause.remedy =~ "NetworkPolicy"
  end

  test "a node under another name than the answer gives it", context do
    start(context, 3, name: without_epmd(["-name", "web@127.0.0.3"]))
    diagnosis = context |> start(2) |> diagnose()
    assert %{name: :member, data: %{reason: :name}} = diagnosis.cause
    assert diagnosis.cause.found =~ ~s(is called "web@127.0.0.3")
  end

  describe "with epmd" do
    # On a port of its own, and not for 127.0.0.4.
    setup do
      port = ErlangNode.free_port()
      epmd = Path.join([:code.root_dir(), "bin", "epmd"])
      args = ["-port", "#{port}", "-address", "127.0.0.2,127.0.0.3", "-relaxed_command_check"]
      process = Port.open({:spawn_executable, epmd}, args: args)
      {:os_pid, os_pid} = Port.info(process, :os_pid)
      on_exit(fn -> System.cmd("kill", ["#{os_pid}"]) end)
      Topology.wait_until(fn -> epmd_answers?(port) end)
      %{epmd: [{~c"ERL_EPMD_PORT", Integer.to_charlist(port)}]}
    end

    test "a pod with another basename, one without epmd, and one that is connected", context do
      members = ["127.0.0.2", "127.0.0.3", "127.0.0.4"]
      FakeApiserver.put(context.server, "endpoints", "app", endpoints(members))
      three = start(context, 3, name: ["-name", "web@127.0.0.3"], env: context.epmd)
      lookup = ~w(-name app@127.0.0.2 -start_epmd false -epmd_module Elixir.LibclusterKubernetes.Test.LookupEpmd)
      two = start(context, 2, name: lookup, env: context.epmd)

      diagnosis = diagnose(two)
      assert %{name: :member, data: %{member: "app@127.0.0.3", reason: :noport}} = diagnosis.cause
      assert diagnosis.cause.found == ~s(app@127.0.0.3: epmd there does not know its basename, but "web")
      assert %{data: %{member: "app@127.0.0.4", reason: :epmd}} = List.last(diagnosis.checks)

      ErlangNode.kill(three)
      start(context, 3, name: ["-name", "app@127.0.0.3"], env: context.epmd)
      assert_receive {:node, "127.0.0.2", "nodeup app@127.0.0.3"}, 15_000
      assert %{data: %{member: "app@127.0.0.4"}} = diagnose(two).cause
    end
  end

  test "what listens is no node", context do
    {:ok, listener} = :gen_tcp.listen(context.port, ip: {127, 0, 0, 3}, reuseaddr: true)
    spawn_link(fn -> answer_everybody(listener, "HTTP/1.1 400 Bad Request\r\n\r\n") end)
    diagnosis = context |> start(2) |> diagnose()
    assert %{name: :member, data: %{reason: :no_node}} = diagnosis.cause
    assert diagnosis.cause.remedy =~ "inet_tls"
  end

  test "a member that is down does not hold up the others, and only so many are looked at", context do
    FakeApiserver.put(context.server, "endpoints", "app", endpoints(for(n <- 2..6, do: "127.0.0.#{n}")))
    two = start(context, 2)
    start(context, 3)
    assert_receive {:node, "127.0.0.2", "nodeup app@127.0.0.3"}, 15_000

    diagnosis = ErlangNode.call(two, LibclusterKubernetes, :diagnose, [:k8s, [members: 2]])
    members = Enum.filter(diagnosis.checks, &(&1.name == :member))
    assert [:failed, :failed, :skipped] = Enum.map(members, & &1.status)
    assert List.last(members).found =~ "2 more were not looked at, of which 1 are connected"
  end

  test "this node is not in the answer", context do
    FakeApiserver.put(context.server, "endpoints", "app", endpoints(["127.0.0.3"]))
    diagnosis = context |> start(2) |> diagnose()
    assert %{name: :itself, found: "app@127.0.0.2 is not in the answer" <> _} = diagnosis.cause
  end

  test "a topology that is not there, wrong options and another strategy are the first check that failed" do
    assert %{name: :options, found: found} = LibclusterKubernetes.diagnose(:nothing).cause
    assert found =~ "no topology :nothing"
    assert %{name: :options, found: found} = LibclusterKubernetes.diagnose(config: [mode: :ipp]).cause
    assert found =~ "the option mode is :ipp, but must be one of :ip, :dns, :hostname"

    required = [kubernetes_node_basename: "app", kubernetes_selector: "a=b"]
    diagnosis = LibclusterKubernetes.diagnose(config: [kubernetes_master: "https://[:::"] ++ required)
    assert %{name: :options, found: found} = diagnosis.cause
    assert found =~ ~s|the option kubernetes_master is "https://[:::", but must be|
    assert_raise KeyError, fn -> LibclusterKubernetes.diagnose(members: 1) end
  end

  test "a topology that is configured and does not run is diagnosed, and said to be so", context do
    topologies = [
      configured: [strategy: LibclusterKubernetes.Strategy, config: config(context)],
      other: [strategy: Cluster.Strategy.Epmd, config: []]
    ]

    Application.put_env(:libcluster, :topologies, topologies)
    on_exit(fn -> Application.delete_env(:libcluster, :topologies) end)

    diagnosis = LibclusterKubernetes.diagnose(:configured)
    assert %{status: :warning, remedy: "Start it" <> _} = check(diagnosis, :options)
    assert check(diagnosis, :version).status == :ok
    assert %{name: :options, found: found} = LibclusterKubernetes.diagnose(:other).cause
    assert found =~ "Cluster.Strategy.Epmd"
    assert [%{topology: :configured}] = LibclusterKubernetes.diagnose()
  end

  # To a request for its names, with its port and nothing else.
  defp epmd_answers?(port) do
    with {:ok, socket} <- :gen_tcp.connect({127, 0, 0, 2}, port, [:binary, active: false]) do
      :ok = :gen_tcp.send(socket, <<1::16, ?n>>)
      match?({:ok, <<^port::32>>}, :gen_tcp.recv(socket, 4, 5_000))
    else
      {:error, _} -> false
    end
  end

  defp answer_everybody(listener, answer) do
    {:ok, socket} = :gen_tcp.accept(listener)
    :gen_tcp.send(socket, answer)
    :gen_tcp.shutdown(socket, :write)
    answer_everybody(listener, answer)
  end
end
