defmodule HelloCluster.EnvShTest do
  use ExUnit.Case, async: true

  @exported ~w(RELEASE_NODE RELEASE_DISTRIBUTION ERL_FLAGS)
  @inputs ~w(HELLO_MODE POD_IP POD_NAME NAMESPACE HELLO_SERVICE CLUSTER_DOMAIN HELLO_DIST_PORT)

  setup_all do
    path =
      Path.join(System.tmp_dir!(), "hello_cluster_env_#{System.unique_integer([:positive])}.sh")

    assigns = [release: %{name: :hello_cluster}]
    File.write!(path, EEx.eval_file("rel/env.sh.eex", assigns: assigns))
    on_exit(fn -> File.rm!(path) end)
    {:ok, path: path}
  end

  # Sources the file as bin/hello_cluster does and answers {exit status, exported variables, stderr}.
  defp source(path, command, variables) do
    unset = for name <- @inputs ++ @exported, do: {name, nil}
    env = unset ++ [{"RELEASE_COMMAND", command} | variables]
    print = Enum.map_join(@exported, "\n", &~s(printf '%s=%s\\n' #{&1} "${#{&1}-UNSET}"))

    {output, status} =
      System.cmd("sh", ["-c", "set -eu\n. \"$0\"\n#{print}", path],
        env: env,
        stderr_to_stdout: true
      )

    exported =
      for line <- String.split(output, "\n"),
          [name, value] <- [String.split(line, "=", parts: 2)],
          name in @exported,
          value != "UNSET",
          into: %{},
          do: {name, value}

    {status, exported, output}
  end

  defp node_name(path, variables) do
    assert {0, exported, _} = source(path, "start", variables)
    assert exported["RELEASE_DISTRIBUTION"] == "name"
    exported["RELEASE_NODE"]
  end

  defp flags(path, command, variables) do
    assert {0, %{"ERL_FLAGS" => flags}, _} = source(path, command, variables)
    String.trim(flags)
  end

  describe "the node name" do
    test "is the pod's address in mode ip, the default", %{path: path} do
      assert node_name(path, [{"POD_IP", "10.1.0.7"}]) == "hello_cluster@10.1.0.7"

      assert node_name(path, [{"HELLO_MODE", "ip"}, {"POD_IP", "fd00::7"}]) ==
               "hello_cluster@fd00::7"
    end

    test "has dashes for dots and colons in mode dns", %{path: path} do
      dns = [{"HELLO_MODE", "dns"}, {"NAMESPACE", "shop"}]

      assert node_name(path, [{"POD_IP", "10.1.0.7"} | dns]) ==
               "hello_cluster@10-1-0-7.shop.pod.cluster.local"

      assert node_name(path, [{"POD_IP", "fd00:10::a:7"} | dns]) ==
               "hello_cluster@fd00-10--a-7.shop.pod.cluster.local"

      assert node_name(path, [{"POD_IP", "10.1.0.7"}, {"CLUSTER_DOMAIN", "k8s.corp"} | dns]) ==
               "hello_cluster@10-1-0-7.shop.pod.k8s.corp"
    end

    test "is pod, service and namespace in mode hostname", %{path: path} do
      hostname = [{"HELLO_MODE", "hostname"}, {"NAMESPACE", "shop"}, {"HELLO_SERVICE", "hello"}]

      assert node_name(path, [{"POD_NAME", "hello-0"} | hostname]) ==
               "hello_cluster@hello-0.hello.shop.svc.cluster.local"

      assert node_name(path, [{"POD_NAME", "hello-0"}, {"CLUSTER_DOMAIN", "k8s.corp"} | hostname]) ==
               "hello_cluster@hello-0.hello.shop.svc.k8s.corp"

      {:ok, host} = :inet.gethostname()
      [host | _] = host |> List.to_string() |> String.split(".")

      assert node_name(path, hostname) == "hello_cluster@#{host}.hello.shop.svc.cluster.local"
    end

    for command <- ~w(eval version) do
      test "is not needed by #{command}", %{path: path} do
        assert {0, exported, ""} = strip(source(path, unquote(command), []))
        assert exported == %{}
      end
    end

    for {missing, field, variables} <- [
          {"POD_IP", "status.podIP", [{"HELLO_MODE", "ip"}]},
          {"POD_IP", "status.podIP", [{"HELLO_MODE", "dns"}, {"NAMESPACE", "shop"}]},
          {"NAMESPACE", "metadata.namespace", [{"HELLO_MODE", "dns"}, {"POD_IP", "10.1.0.7"}]},
          {"NAMESPACE", "metadata.namespace",
           [{"HELLO_MODE", "hostname"}, {"HELLO_SERVICE", "hello"}]},
          {"HELLO_SERVICE", "serviceName", [{"HELLO_MODE", "hostname"}, {"NAMESPACE", "shop"}]}
        ] do
      mode = variables |> hd() |> elem(1)

      test "cannot be built without #{missing} in mode #{mode}", %{path: path} do
        assert {1, exported, message} = source(path, "start", unquote(variables))
        assert exported == %{}
        assert message =~ "ERROR: #{unquote(missing)} is not set"
        assert message =~ "HELLO_MODE=#{unquote(mode)}"
        assert message =~ unquote(field)
      end
    end

    test "cannot be built in a mode that does not exist", %{path: path} do
      assert {1, _, message} = source(path, "start", [{"HELLO_MODE", "ipv4"}])
      assert message =~ "ERROR: HELLO_MODE is ipv4; accepted: ip, dns, hostname."
    end
  end

  describe "the flags of the VM" do
    test "are none by default, and keep what is set", %{path: path} do
      assert flags(path, "start", [{"POD_IP", "10.1.0.7"}]) == ""
      assert flags(path, "start", [{"POD_IP", "10.1.0.7"}, {"ERL_FLAGS", "+S 2"}]) == "+S 2"
    end

    test "switch the distribution to IPv6 for a pod with such an address", %{path: path} do
      for command <- ~w(start rpc) do
        assert flags(path, command, [{"POD_IP", "fd00::7"}]) == "-proto_dist inet6_tcp"
      end
    end

    test "fix the port on the pod's address for commands that start the node", %{path: path} do
      port = [{"HELLO_DIST_PORT", "4370"}]
      epmd = "-start_epmd false -epmd_module Elixir.HelloCluster.Epmd"
      listen = "-kernel inet_dist_listen_min 4370 inet_dist_listen_max 4370"

      for command <- ~w(start start_iex daemon daemon_iex) do
        assert flags(path, command, [{"POD_IP", "127.0.0.2"} | port]) ==
                 "#{epmd} #{listen} inet_dist_use_interface {127,0,0,2}"
      end

      assert flags(path, "start", [{"POD_IP", "fd00::7"} | port]) ==
               "-proto_dist inet6_tcp #{epmd} #{listen}"
    end

    test "leave the port free for the others", %{path: path} do
      for command <- ~w(rpc remote stop restart pid) do
        assert flags(path, command, [{"POD_IP", "127.0.0.2"}, {"HELLO_DIST_PORT", "4370"}]) ==
                 "-start_epmd false -epmd_module Elixir.HelloCluster.Epmd"
      end
    end

    test "refuse a port that is no number", %{path: path} do
      env = [{"POD_IP", "127.0.0.2"}, {"HELLO_DIST_PORT", "tcp://10.0.0.1:4370"}]
      assert {1, _, message} = source(path, "start", env)
      assert message =~ "ERROR: HELLO_DIST_PORT is tcp://10.0.0.1:4370"
    end
  end

  # Without the lines that source/3 itself prints.
  defp strip({status, exported, output}) do
    lines = output |> String.split("\n", trim: true) |> Enum.reject(&(&1 =~ "=UNSET"))
    {status, exported, Enum.join(lines, "\n")}
  end
end
