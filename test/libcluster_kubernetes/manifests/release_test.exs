defmodule LibclusterKubernetes.Manifests.ReleaseTest do
  # The lines are run: by a shell, and by VMs that listen and connect.
  use ExUnit.Case, async: true

  alias LibclusterKubernetes.{Manifests, Options}
  alias LibclusterKubernetes.Test.{ErlangNode, Guide, Topology}

  @moduletag :linux

  defp files(config, options \\ []) do
    config = Keyword.merge([kubernetes_node_basename: "myapp", kubernetes_selector: "app=myapp"], config)
    text = Manifests.release([Options.new!(:k8s, config, %{})], [app: "my-app"] ++ options)

    for [_, file, lines] <- Regex.scan(~r/^# (rel\/[\w.]+)[^\n]*\n((?:(?!# rel\/).*\n)*)/m, text),
        into: %{},
        do: {file, lines}
  end

  # What `bin/myapp COMMAND` has in its environment after it has read rel/env.sh.eex, as a release does: with -e.
  defp sourced(config, env, command \\ "start") do
    script = config |> files() |> Map.get("rel/env.sh.eex", "") |> EEx.eval_string()
    show = ~s(\nprintf '%s|' "${RELEASE_DISTRIBUTION:-}" "${RELEASE_NODE:-}" "${ERL_FLAGS:-}")

    System.cmd("sh", ["-euc", script <> show],
      env: [{"RELEASE_COMMAND", command}, {"ERL_FLAGS", nil}, {"RELEASE_NODE", nil} | env],
      stderr_to_stdout: true
    )
  end

  test "mode :dns names the node by its address with dashes" do
    env = [{"NAMESPACE", "shop"}, {"POD_IP", "10.1.0.7"}]
    assert sourced([mode: :dns], env) == {"name|myapp@10-1-0-7.shop.pod.cluster.local||", 0}

    assert sourced([mode: :dns, kubernetes_cluster_name: "corp"], env) ==
             {"name|myapp@10-1-0-7.shop.pod.corp.local||", 0}

    env = [{"NAMESPACE", "shop"}, {"POD_IP", "fd00::7"}]
    assert sourced([mode: :dns], env) == {"name|myapp@fd00--7.shop.pod.cluster.local| -proto_dist inet6_tcp|", 0}
  end

  test "commands that start no node need no address" do
    for command <- ["eval", "version"], config <- [[mode: :dns], [kubernetes_ip_family: :ipv6], []] do
      assert sourced(config, [], command) == {"|||", 0}
    end
  end

  test "kubernetes_ip_family names the node by one of its addresses, or says that it has none" do
    both = [{"POD_IPS", "10.1.0.7,fd00::7"}]
    assert sourced([kubernetes_ip_family: :ipv4], both) == {"name|myapp@10.1.0.7||", 0}
    assert sourced([kubernetes_ip_family: :ipv6], both) == {"name|myapp@fd00::7| -proto_dist inet6_tcp|", 0}
    assert sourced([kubernetes_ip_family: :ipv4], [{"POD_IPS", "fd00::7,10.1.0.7"}]) == {"name|myapp@10.1.0.7||", 0}
    dns = [mode: :dns, kubernetes_ip_family: :ipv6]
    named = "myapp@fd00--7.shop.pod.cluster.local"
    assert sourced(dns, [{"NAMESPACE", "shop"} | both]) == {"name|#{named}| -proto_dist inet6_tcp|", 0}

    assert sourced([kubernetes_ip_family: :ipv6], [{"POD_IPS", "10.1.0.7"}]) ==
             {"ERROR: this pod has no IPv6 address: 10.1.0.7\n", 1}
  end

  test "a node that the manifests name needs the protocol of IPv6 only" do
    assert sourced([], [{"POD_IP", "10.1.0.7"}]) == {"|||", 0}
    assert sourced([], [{"POD_IP", "fd00::7"}]) == {"|| -proto_dist inet6_tcp|", 0}
    hostname = [mode: :hostname, kubernetes_service_name: "db"]
    assert files(hostname) == %{}
    assert hostname |> files(dist_port: 4370) |> Map.keys() == ["rel/remote.vm.args.eex", "rel/vm.args.eex"]
  end

  test "the guide has the same lines for a fixed port" do
    files = files([], dist_port: 4370)
    texts = for block <- Guide.blocks("guides/distribution.md", "text"), do: block.text
    for file <- ["rel/vm.args.eex", "rel/remote.vm.args.eex"], do: assert((String.trim(files[file]) <> "\n") in texts)
  end

  # Each node on an address of its own: they have one port.
  test "a node with these flags listens on the port, without epmd, and the node of an rpc takes no port" do
    port = ErlangNode.free_port()
    files = files([], dist_port: port)
    start = files["rel/vm.args.eex"]
    remote = files["rel/remote.vm.args.eex"]

    [first, second] =
      for ip <- ["127.0.0.2", "127.0.0.3"],
          do: erl(start, ip, "release", ~s[io:format("up~n"), io:get_line(""), halt().])

    for node <- [first, second], do: assert_receive({^node, {:data, "up\n"}}, 20_000)
    Topology.wait_until(fn -> match?({:ok, _}, :gen_tcp.connect({127, 0, 0, 2}, port, [])) end)

    ping = "net_adm:ping('release@127.0.0.3')"

    call =
      "io:format(\"~p\", [{rpc:call('release@127.0.0.2', net_adm, ping, ['release@127.0.0.3']), #{ping}}]), halt()."

    # At the same address as the first, whose port is taken.
    rpc = erl(remote, "127.0.0.2", "rpc", call)
    assert_receive {^rpc, {:data, "{pong,pong}"}}, 20_000
  end

  defp erl(flags, ip, name, code) do
    interface = "{#{String.replace(ip, ".", ",")}}"

    args =
      String.split(flags) ++
        ~w(-noshell -name #{name}@#{ip} -setcookie release-test -kernel inet_dist_use_interface #{interface} -eval) ++
        [code]

    Port.open({:spawn_executable, System.find_executable("erl")}, [:binary, args: args])
  end
end
