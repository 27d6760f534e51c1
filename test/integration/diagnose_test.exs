defmodule LibclusterKubernetes.DiagnoseTest do
  # Broken set-ups of nodes, each a real one on a loopback address, with the fake API server. Those of the API are in
  # diagnose_kube_test.exs.
  use ExUnit.Case, async: false

  import LibclusterKubernetes.Test.ErlangNode, only: [without_epmd: 1]
  import LibclusterKubernetes.Test.FakeApiserver, only: [endpoints: 1]

  alias LibclusterKubernetes.Diagnosis
  alias LibclusterKubernetes.Test.{ErlangNode, FakeApiserver, JSON, Topology}

  @moduletag :linux
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
    fits(diagnosis)
  end

  # In 80 columns, and into JSON.
  defp fits(diagnosis) do
    text = Diagnosis.to_text(diagnosis)
    assert Enum.all?(String.split(text, "\n"), &(String.length(&1) <= 80)), text
    map = LibclusterKubernetes.to_map(diagnosis)
    assert map == map |> JSON.encode() |> JSON.decode!()
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
    assert %{found: "1 connected: app@127.0.0.3"} = check(diagnosis, :member)
    assert Diagnosis.to_text(diagnosis) =~ "Topology :k8s on app@127.0.0.2\nNo check failed."
    for %{name: name} <- diagnosis.checks, do: assert(@guide =~ "| `#{name}` |")
    assert [%Diagnosis{topology: :k8s, cause: nil}] = ErlangNode.call(two, LibclusterKubernetes, :diagnose, [])
  end

  test "1. not distributed", context do
    diagnosis = fits(LibclusterKubernetes.diagnose(config: config(context)))
    assert %{name: :distribution, found: found, remedy: remedy} = diagnosis.cause
    assert found =~ "not distributed"
    assert remedy =~ "export RELEASE_NODE=app@$POD_IP\n"
    # What can be known all the same is.
    assert check(diagnosis, :names).status == :ok
    assert check(diagnosis, :member).status == :skipped
  end

  test "2. short names", context do
    diagnosis = context |> start(2, name: without_epmd(["-sname", "app"])) |> diagnose()
    assert %{name: :distribution, found: "app@" <> _ = found, remedy: remedy} = diagnosis.cause
    assert found =~ "short name"
    # Both places where it is set.
    assert remedy =~ "rel/env.sh.eex of the release:\n  export RELEASE_DISTRIBUTION=name"
    assert remedy =~ "container's env:"
    assert Enum.filter(diagnosis.checks, &(&1.status in [:failed, :warning])) == [diagnosis.cause]
  end

  test "3. wrong basename", context do
    diagnosis = context |> start(2, name: without_epmd(["-name", "web@127.0.0.2"])) |> diagnose()
    assert %{name: :node_name, data: %{differences: [:basename], expected: "app@POD_IP"}} = diagnosis.cause
    assert diagnosis.cause.found =~ ~s(kubernetes_node_basename is "app", but its basename is "web")
    assert diagnosis.cause.remedy =~ ~s(kubernetes_node_basename: "web")
    # What follows from it is no second cause.
    assert %{status: :skipped} = check(diagnosis, :itself)
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
    assert %{name: :member, data: %{members: ["app@127.0.0.3"], reason: :cookie}} = diagnosis.cause
    assert diagnosis.cause.found =~ "refuses the cookie"
    assert diagnosis.cause.remedy =~ "RELEASE_COOKIE"
  end

  test "6. closed port", context do
    start(context, 3, port: ErlangNode.free_port())
    diagnosis = context |> start(2) |> diagnose()
    assert %{name: :member, data: %{members: ["app@127.0.0.3"], reason: :port}} = diagnosis.cause
    assert diagnosis.cause.found =~ "(127.0.0.3, port #{context.port}: :econnrefused)"
    assert diagnosis.cause.remedy =~ "NetworkPolicy"
  end

  test "a node under another name than the answer gives it", context do
    start(context, 3, name: without_epmd(["-name", "web@127.0.0.3"]))
    diagnosis = context |> start(2) |> diagnose()
    assert %{name: :member, data: %{reason: :name}} = diagnosis.cause
    assert diagnosis.cause.found =~ ~s(: "web@127.0.0.3"\))
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
      assert %{name: :member, data: %{members: ["app@127.0.0.4"], reason: :epmd}} = diagnosis.cause
      # A node without epmd would look the same: nobody listens there.
      assert diagnosis.cause.found == "no answer of epmd (port 4369): app@127.0.0.4 (:econnrefused)"
      assert diagnosis.cause.remedy =~ "-erl_epmd_port"
      assert %{data: %{members: ["app@127.0.0.3"], reason: :noport}, found: found} = List.last(diagnosis.checks)
      assert found == ~s[epmd there does not know the basename: app@127.0.0.3 (it knows "web")]

      ErlangNode.kill(three)
      start(context, 3, name: ["-name", "app@127.0.0.3"], env: context.epmd)
      assert_receive {:node, "127.0.0.2", "nodeup app@127.0.0.3"}, 15_000
      assert %{data: %{members: ["app@127.0.0.4"]}} = diagnose(two).cause
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
    assert [%{status: :failed, data: %{members: [_, _]}}, %{status: :skipped}] = members
    assert List.last(members).found =~ "2 more were not looked at, of which 1 are connected"
  end

  test "this node is not in the answer", context do
    FakeApiserver.put(context.server, "endpoints", "app", endpoints(["127.0.0.3"]))
    diagnosis = context |> start(2) |> diagnose()
    assert %{name: :itself, found: "app@127.0.0.2 is not in the answer" <> _} = diagnosis.cause
  end

  test "a node that is connected to all the others is not blamed for its name", context do
    two = start(context, 2, name: without_epmd(["-name", "web@127.0.0.2"]))
    start(context, 3)
    assert_receive {:node, "127.0.0.2", "nodeup app@127.0.0.3"}, 15_000

    diagnosis = diagnose(two)
    assert diagnosis.cause == nil
    assert %{status: :warning, found: found} = check(diagnosis, :node_name)
    assert found =~ "Yet this node is connected to all of the 1 others"
    assert %{status: :warning} = check(diagnosis, :itself)
  end

  test "a node that drains", context do
    two = start(context, 2)
    # Endpoints do not name it any more; and what comes then gets no connection.
    Topology.wait_until(fn -> match?({:ok, %{standing: :ready}}, info(two)) end)
    FakeApiserver.put(context.server, "endpoints", "app", endpoints(["127.0.0.3"]))
    Topology.wait_until(fn -> match?({:ok, %{standing: :absent}}, info(two)) end)
    start(context, 3, config: [polling_interval: 60_000, kubernetes_selector: "app=other"])

    diagnosis = diagnose(two)
    assert diagnosis.cause == nil
    text = diagnosis |> Diagnosis.to_text() |> String.replace(~r/\s+/, " ")
    assert text =~ "app@127.0.0.2 was in the answers and no longer is: this pod terminates"
    refute text =~ "within a minute"
    refute text =~ "Does kubernetes_selector"
  end

  test "a watch that ends at once", context do
    two = start(context, 2)
    start(context, 3)
    assert_receive {:node, "127.0.0.2", "nodeup app@127.0.0.3"}, 15_000
    FakeApiserver.faults(context.server, [%{at: "request", verb: "watch", do: %{status: %{code: 503}}}])

    diagnosis = diagnose(two)
    assert diagnosis.cause == nil
    assert %{status: :warning, found: found} = check(diagnosis, :watch)
    assert found =~ "a list comes, but no watch, so that it is asked every 200 ms instead"
    assert Diagnosis.to_text(diagnosis) =~ "No check failed. The first warning is watch: a list comes, but no watch"
  end

  defp info(owner), do: ErlangNode.call(owner, LibclusterKubernetes, :info, [:k8s])

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
    assert %{name: :process, remedy: "Start it" <> _} = diagnosis.cause
    assert diagnosis.cause.found =~ "no process runs topology :configured, though it is configured"
    refute Diagnosis.to_text(fits(diagnosis)) =~ "No check failed"
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
