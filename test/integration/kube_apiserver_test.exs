defmodule LibclusterKubernetes.KubeApiserverTest do
  use ExUnit.Case, async: false

  alias LibclusterKubernetes.Options
  alias LibclusterKubernetes.Test.{KubeApiserver, Recorder, Topology}

  @moduletag :kube_apiserver
  @moduletag timeout: 120_000

  # The longest pause after a failure is 30 s.
  @recovery 40_000
  # The server remembers for 10 s that it accepted a token.
  @token_cache 20_000

  @account "app"

  setup_all do
    {duration, server} = timed(&KubeApiserver.start!/0)
    on_exit(fn -> KubeApiserver.stop(server) end)
    IO.puts("\nkube-apiserver: ready after #{duration} ms")
    %{server: server}
  end

  # Each test has a namespace and a ServiceAccount of its own, which may do nothing yet, and gets libcluster's log lines
  # as messages.
  setup %{server: server} do
    namespace = "test-#{System.unique_integer([:positive])}"
    {:ok, recorder} = Recorder.start_link()
    folder = KubeApiserver.service_account!(server, namespace, @account)

    Logger.put_module_level(Cluster.Logger, :debug)
    :ok = :logger.add_handler(__MODULE__, __MODULE__, %{level: :all, config: %{test: self()}})

    on_exit(fn ->
      :logger.remove_handler(__MODULE__)
      Logger.delete_module_level(Cluster.Logger)
    end)

    %{namespace: namespace, recorder: recorder, folder: folder}
  end

  def log(%{level: level, msg: {:string, text}}, %{config: %{test: test}}) do
    text = IO.chardata_to_string(text)
    if text =~ "[libcluster:", do: send(test, {:log, level, text})
  end

  def log(_event, _config), do: :ok

  describe "endpoints" do
    setup context do
      may_list(context, "endpoints")
    end

    test "finds the members of its own namespace by label, and those that come", context do
      other_namespace = context.namespace <> "-other"
      KubeApiserver.namespace!(context.server, other_namespace)
      KubeApiserver.endpoints!(context.server, other_namespace, "app", ["10.1.0.9"])
      members(context, ["10.1.0.8"], name: "other", labels: %{app: "other"})
      members(context, ["10.1.0.1", "10.1.0.2"], not_ready: ["10.1.0.7"])

      start(context)
      assert_receive {:connect, :"app@10.1.0.1", true}
      assert_receive {:connect, :"app@10.1.0.2", true}

      members(context, ["10.1.0.1", "10.1.0.2", "10.1.0.3"])
      assert_receive {:connect, :"app@10.1.0.3", true}

      assert connected(context) == [:"app@10.1.0.1", :"app@10.1.0.2", :"app@10.1.0.3"]
      refute_received {:log, :warning, _}
    end

    test "takes a set-based selector", context do
      members(context, ["10.1.0.1"], name: "blue", labels: %{app: "app", tier: "blue"})
      members(context, ["10.1.0.2"], name: "green", labels: %{app: "app", tier: "green"})
      members(context, ["10.1.0.7"], name: "red", labels: %{app: "app", tier: "red"})
      members(context, ["10.1.0.8"], name: "canary", labels: %{app: "app", tier: "blue", canary: "yes"})

      start(context, kubernetes_selector: "tier in (blue, green),app=app,!canary")
      assert_receive {:connect, :"app@10.1.0.1", true}
      assert_receive {:connect, :"app@10.1.0.2", true}
      assert connected(context) == [:"app@10.1.0.1", :"app@10.1.0.2"]
    end

    test "names nodes by the hostname of a StatefulSet's pod", context do
      members(context, [{"10.1.0.1", "app-0"}, {"10.1.0.2", "app-1"}])
      config = [mode: :hostname, kubernetes_service_name: "headless"]
      assert {:ok, %{ready: ready}} = list(context, config)

      assert Enum.sort(ready) ==
               for(i <- 0..1, do: "app@app-#{i}.headless.#{context.namespace}.svc.cluster.local")
    end

    test "a RoleBinding that goes disconnects nobody, and all goes on when it is back", context do
      members(context, ["10.1.0.1", "10.1.0.2"])
      strategy = start(context)
      assert_receive {:connect, :"app@10.1.0.1", true}
      assert_receive {:connect, :"app@10.1.0.2", true}

      KubeApiserver.revoke!(context.server, context.namespace, @account)
      assert_receive {:log, :warning, warning}
      assert warning =~ "[libcluster:kube] cannot list endpoints in namespace #{inspect(context.namespace)}"
      assert warning =~ "HTTP 403"

      members(context, ["10.1.0.1", "10.1.0.3"])
      # Five times kubernetes_disconnect_after, and several tries.
      refute_receive {:disconnect, _}, 1_500
      refute_received {:connect, :"app@10.1.0.3", _}

      KubeApiserver.restore!(context.server, context.namespace, @account)
      assert await_info("answers again") =~ "[libcluster:kube] the Kubernetes API answers again"
      assert_receive {:connect, :"app@10.1.0.3", true}
      refute_received {:log, :warning, _}

      # Only now it is known that this one is gone.
      assert_receive {:disconnect, :"app@10.1.0.2"}
      assert connected(context) == [:"app@10.1.0.1", :"app@10.1.0.3"]
      assert Process.alive?(strategy)
    end

    test "an API server that is killed and comes back disconnects nobody", context do
      members(context, ["10.1.0.1", "10.1.0.2"])
      strategy = start(context)
      assert_receive {:connect, :"app@10.1.0.1", true}
      assert_receive {:connect, :"app@10.1.0.2", true}

      KubeApiserver.stop_apiserver(context.server)
      assert_receive {:log, :warning, warning}
      assert warning =~ "[libcluster:kube] cannot list endpoints"
      assert warning =~ "(connect)"

      # Known members are connected to without it.
      Recorder.lose(context.recorder, :"app@10.1.0.1")
      assert_receive {:connect, :"app@10.1.0.1", true}
      refute_receive {:disconnect, _}, 1_000

      KubeApiserver.start_apiserver(context.server)
      members(context, ["10.1.0.1", "10.1.0.2", "10.1.0.3"])
      assert_receive {:connect, :"app@10.1.0.3", true}, @recovery
      refute_received {:disconnect, _}
      assert connected(context) == [:"app@10.1.0.1", :"app@10.1.0.2", :"app@10.1.0.3"]
      assert Process.alive?(strategy)
    end

    test "a token that is no longer valid disconnects nobody, and its successor on disk is taken up", context do
      members(context, ["10.1.0.1"])
      strategy = start(context)
      assert_receive {:connect, :"app@10.1.0.1", true}

      # Tokens are bound to their ServiceAccount: with it, they end.
      accounts = "/api/v1/namespaces/#{context.namespace}/serviceaccounts"
      KubeApiserver.delete!(context.server, "#{accounts}/#{@account}")
      assert_receive {:log, :warning, warning}, @token_cache
      assert warning =~ "HTTP 401"
      refute warning =~ File.read!(Path.join(context.folder, "token"))

      members(context, ["10.1.0.1", "10.1.0.2"])
      # Makes the account again, and replaces the token in the same folder.
      assert KubeApiserver.service_account!(context.server, context.namespace, @account) == context.folder
      assert await_info("answers again")
      assert_receive {:connect, :"app@10.1.0.2", true}
      refute_received {:disconnect, _}
      refute_received {:log, :warning, _}
      assert Process.alive?(strategy)
    end

    test "a token that is replaced while it is valid goes unnoticed", context do
      members(context, ["10.1.0.1"])
      start(context)
      assert_receive {:connect, :"app@10.1.0.1", true}

      token = KubeApiserver.token!(context.server, context.namespace, @account)
      KubeApiserver.write_token!(context.folder, token)
      members(context, ["10.1.0.1", "10.1.0.2"])
      assert_receive {:connect, :"app@10.1.0.2", true}
      refute_received {:log, :warning, _}
    end
  end

  describe "pods" do
    setup context do
      may_list(context, "pods")
    end

    test "their phase, their Ready condition and their deletion say what they are", context do
      for {name, opts} <- [
            {"pending", phase: "Pending", ready: nil},
            {"ready", ip: "10.1.0.1"},
            {"unready", ip: "10.1.0.2", ready: false},
            {"succeeded", ip: "10.1.0.3", phase: "Succeeded", ready: false},
            {"failed", ip: "10.1.0.4", phase: "Failed", ready: false},
            {"terminating", ip: "10.1.0.5"},
            {"other", ip: "10.1.0.6", labels: %{app: "other"}}
          ] do
        KubeApiserver.pod!(context.server, context.namespace, name, opts)
      end

      KubeApiserver.delete_pod!(context.server, context.namespace, "terminating", 300)
      config = [kubernetes_ip_lookup_mode: :pods, kubernetes_include_not_ready: false]

      assert {:ok, snapshot} = list(context, config)
      assert %{ready: ["app@10.1.0.1"], not_ready: ["app@10.1.0.2"], draining: ["app@10.1.0.5"]} = snapshot
      assert %{dropped: [], warnings: []} = snapshot
      assert {:ok, %{ready: [_, "app@10.1.0.2"], not_ready: []}} = list(context, kubernetes_ip_lookup_mode: :pods)

      KubeApiserver.delete_pod!(context.server, context.namespace, "terminating")
      assert {:ok, %{ready: ["app@10.1.0.1"], draining: []}} = list(context, config)
    end

    test "a pod that terminates keeps its connection until it is gone", context do
      for {name, ip} <- [{"a", "10.1.0.1"}, {"b", "10.1.0.2"}, {"c", "10.1.0.3"}] do
        KubeApiserver.pod!(context.server, context.namespace, name, ip: ip)
      end

      start(context, kubernetes_ip_lookup_mode: :pods)
      for node <- [:"app@10.1.0.1", :"app@10.1.0.2", :"app@10.1.0.3"], do: assert_receive({:connect, ^node, true})

      KubeApiserver.delete_pod!(context.server, context.namespace, "b", 300)
      refute_receive {:disconnect, _}, 1_000
      KubeApiserver.delete_pod!(context.server, context.namespace, "b")
      assert_receive {:disconnect, :"app@10.1.0.2"}
    end

    test "of all namespaces, and by their fields", context do
      other = context.namespace <> "-other"
      KubeApiserver.namespace!(context.server, other)
      labels = %{app: context.namespace}

      for {namespace, ip} <- [{context.namespace, "10.1.0.1"}, {other, "10.1.0.2"}] do
        KubeApiserver.pod!(context.server, namespace, "app-0", ip: ip, labels: labels)
      end

      KubeApiserver.pod!(context.server, context.namespace, "app-1", ip: "10.1.0.3", labels: labels)

      config = [
        kubernetes_ip_lookup_mode: :pods,
        kubernetes_selector: "app=#{context.namespace}",
        kubernetes_namespace: :all
      ]

      assert {:error, %{kind: :forbidden} = error} = list(context, config)
      assert error.message =~ "cannot list pods in all namespaces: HTTP 403"
      assert error.advice =~ "Bind a ClusterRole, by a ClusterRoleBinding, with the verb"

      may_list_everywhere(context, "pods")
      Topology.wait_until(fn -> match?({:ok, _}, list(context, config)) end)
      assert {:ok, %{ready: ["app@10.1.0.1", "app@10.1.0.2", "app@10.1.0.3"]}} = list(context, config)

      fields = [kubernetes_field_selector: "metadata.namespace!=#{other},status.phase=Running"]
      assert {:ok, %{ready: ["app@10.1.0.1", "app@10.1.0.3"]}} = list(context, config ++ fields)
      assert {:error, %{status: 400} = error} = list(context, config ++ [kubernetes_field_selector: "spec.hostname=a"])
      assert error.message =~ "field label not supported: spec.hostname"
      assert error.advice =~ "kubernetes_field_selector"

      start(context, config)
      for node <- [:"app@10.1.0.1", :"app@10.1.0.2", :"app@10.1.0.3"], do: assert_receive({:connect, ^node, true})
      KubeApiserver.delete_pod!(context.server, other, "app-0")
      assert_receive {:disconnect, :"app@10.1.0.2"}
      assert connected(context) == [:"app@10.1.0.1", :"app@10.1.0.3"]
    end

    test "a thousand", context do
      pods = for i <- 1..1_000, do: {"pod-#{i}", [ip: "10.2.#{div(i, 250)}.#{rem(i, 250) + 1}"]}
      {creating, _} = timed(fn -> KubeApiserver.pods!(context.server, context.namespace, pods) end)
      {listing, {:ok, snapshot}} = timed(fn -> list(context, kubernetes_ip_lookup_mode: :pods) end)

      IO.puts("\nkube-apiserver: 1,000 pods created in #{creating} ms, listed in #{listing} ms")
      assert Enum.sort(snapshot.ready) == Enum.sort(for {_, opts} <- pods, do: "app@#{opts[:ip]}")
      assert %{not_ready: [], draining: [], dropped: []} = snapshot
    end
  end

  describe "errors" do
    test "a role that lacks the resource", context do
      may_list(context, "endpoints")
      assert {:ok, _} = list(context)
      assert {:error, %{kind: :forbidden, status: 403} = error} = list(context, kubernetes_ip_lookup_mode: :pods)

      assert error.message =~
               ~s(User "system:serviceaccount:#{context.namespace}:#{@account}" cannot list resource "pods")
    end

    test "a token that is none", context do
      KubeApiserver.write_token!(context.folder, "not-a-token")
      assert {:error, %{kind: :unauthorized, status: 401} = error} = list(context)
      refute error.message =~ "not-a-token"
    end

    test "a CA that did not sign the server's certificate", context do
      File.write!(Path.join(context.folder, "ca.crt"), KubeApiserver.other_ca())
      assert {:error, %{kind: :tls, status: nil, message: message}} = list(context)
      assert message =~ "TLS failed"
    end

    test "a selector that is none", context do
      may_list(context, "endpoints")
      assert {:error, %{kind: :server, status: 400} = error} = list(context, kubernetes_selector: "app in (")
      assert error.message =~ "unable to parse requirement"
      assert error.advice =~ "Check kubernetes_selector"
    end

    test "a namespace that does not exist is an empty answer, where the role allows to ask", context do
      config = [kubernetes_namespace: context.namespace <> "-missing"]
      assert {:error, %{kind: :forbidden}} = list(context, config)

      may_list_everywhere(context, "endpoints")
      # The authorizer sees roles through a cache.
      Topology.wait_until(fn -> match?({:ok, _}, list(context, config)) end)
      assert {:ok, %{ready: [], not_ready: [], draining: []}} = list(context, config)
    end
  end

  defp may_list(context, resource) do
    rules = [%{apiGroups: [""], resources: [resource], verbs: ["list"]}]
    KubeApiserver.grant!(context.server, context.namespace, @account, rules)
  end

  defp may_list_everywhere(context, resource) do
    rules = [%{apiGroups: [""], resources: [resource], verbs: ["list"]}]
    KubeApiserver.grant_everywhere!(context.server, context.namespace, @account, rules)
  end

  defp members(context, ips, opts \\ []) do
    {name, opts} = Keyword.pop(opts, :name, "app")
    KubeApiserver.endpoints!(context.server, context.namespace, name, ips, opts)
  end

  defp start(context, config \\ []) do
    start_supervised!(Topology.child_spec(state(context, config)))
  end

  defp list(context, config \\ []) do
    :kube |> Options.new!(state(context, config).config) |> Options.to_native() |> Topology.list()
  end

  defp state(context, config) do
    server = %{url: context.server.url, service_account: context.folder}
    defaults = [polling_interval: 100, kubernetes_disconnect_after: 300, kubernetes_watch: false]
    Topology.state(server, context.recorder, Keyword.merge(defaults, config), :kube)
  end

  defp connected(context), do: context.recorder |> Recorder.list_nodes() |> Enum.sort()

  defp await_info(part) do
    assert_receive {:log, :info, text}, @recovery
    if text =~ part, do: text, else: await_info(part)
  end

  defp timed(fun) do
    {microseconds, result} = :timer.tc(fun)
    {div(microseconds, 1_000), result}
  end
end
