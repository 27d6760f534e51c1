defmodule LibclusterKubernetes.OptionsTest do
  use ExUnit.Case, async: true

  alias LibclusterKubernetes.{Native, Options}
  alias LibclusterKubernetes.Options.Schema

  @least [kubernetes_node_basename: "app", kubernetes_selector: "app=app"]

  defp new(config, env \\ %{}), do: Options.new!(:k8s, @least ++ config, env)
  defp value(config, key), do: new(config).values[key]

  describe "new!/3" do
    test "fills in libcluster's defaults" do
      assert new([]).values == %{
               mode: :ip,
               kubernetes_node_basename: "app",
               kubernetes_selector: "app=app",
               kubernetes_namespace: nil,
               kubernetes_ip_lookup_mode: :endpoints,
               kubernetes_service_name: nil,
               kubernetes_cluster_name: "cluster",
               kubernetes_master: "kubernetes.default.svc",
               kubernetes_service_account_path: "/var/run/secrets/kubernetes.io/serviceaccount",
               kubernetes_use_cached_resources: false,
               kubernetes_field_selector: nil,
               polling_interval: 5_000,
               kubernetes_include_not_ready: false,
               kubernetes_ip_family: :primary,
               kubernetes_rollout_label: nil,
               kubernetes_request_timeout: 15_000,
               kubernetes_disconnect_after: 300_000,
               kubernetes_watch: :auto
             }
    end

    # As the stock strategy counts pods; and what each source shows of pods that terminate.
    test "has defaults that depend on the source, and an option counts before each" do
      for {source, include_not_ready, disconnect_after} <- [
            {:endpoints, false, 300_000},
            {:endpoint_slices, false, 30_000},
            {:pods, true, 30_000}
          ] do
        values = new(kubernetes_ip_lookup_mode: source).values
        assert values.kubernetes_include_not_ready == include_not_ready
        assert values.kubernetes_disconnect_after == disconnect_after

        # The source may stand behind what depends on it.
        config = [kubernetes_include_not_ready: not include_not_ready, kubernetes_disconnect_after: 1]
        values = new(config ++ [kubernetes_ip_lookup_mode: source]).values
        assert values.kubernetes_include_not_ready == not include_not_ready
        assert values.kubernetes_disconnect_after == 1
      end
    end

    test "refuses what needs the labels of pods where none are read" do
      for source <- [:endpoints, :endpoint_slices],
          needs <- [[kubernetes_rollout_label: "pod-template-hash"], [kubernetes_node_basename: {:label, "app"}]] do
        config = Keyword.merge(@least, [kubernetes_ip_lookup_mode: source] ++ needs)
        message = catch_error(Options.new!(:k8s, config, %{})).message
        assert message =~ "kubernetes_ip_lookup_mode: :pods"
        assert message =~ "#{source} do not carry"
      end

      for label <- ["pod-template-hash", "app.kubernetes.io/version"] do
        config = [kubernetes_rollout_label: label, kubernetes_ip_lookup_mode: :pods]
        assert %{rollout_label: ^label, node: "nonode@nohost"} = config |> new() |> Options.to_native()
      end
    end

    test "takes nil for not given, and atoms and charlists where libcluster interpolates" do
      assert value([mode: nil, polling_interval: nil], :mode) == :ip

      for {key, given, value} <- [
            {:kubernetes_node_basename, ~c"web", "web"},
            {:kubernetes_node_basename, :web, "web"},
            {:kubernetes_node_basename, {:label, ~c"app.kubernetes.io/name"}, {:label, "app.kubernetes.io/name"}},
            {:kubernetes_node_basename, {:label, :app}, {:label, "app"}},
            {:kubernetes_selector, ~c"app in (web, böse)", "app in (web, böse)"},
            {:kubernetes_namespace, :prod, "prod"},
            {:kubernetes_namespace, ~c"prod", "prod"},
            {:kubernetes_namespace, :all, :all},
            {:kubernetes_namespace, "all", "all"},
            {:kubernetes_cluster_name, ~c"kube", "kube"},
            {:kubernetes_master, ~c"https://api:6443", "https://api:6443"},
            {:kubernetes_field_selector, ~c"status.phase=Running", "status.phase=Running"},
            {:kubernetes_service_account_path, ~c"/account", "/account"}
          ] do
        config = Keyword.merge([kubernetes_ip_lookup_mode: :pods] ++ @least, [{key, given}])
        assert %{warnings: [], values: %{^key => ^value}} = Options.new!(:k8s, config, %{})
      end
    end

    test "takes every server that a request can be sent to" do
      for master <- [
            "api",
            "kubernetes.default.svc",
            "api.example.com.",
            "10.96.0.1",
            "fd00::1",
            "::ffff:10.0.0.1",
            "https://api",
            "https://api/",
            "https://api.example.com.:6443",
            "https://10.0.0.1:6443",
            "https://[::1]:65535/",
            "https://rancher:8443/k8s/clusters/c-1",
            "https://gateway/v1/projects/1/locations/global/memberships/a_b~c.d@e:f/"
          ] do
        # Without an account nothing is sent.
        options = new(kubernetes_master: master, kubernetes_service_account_path: "/nonexistent")
        assert options.values.kubernetes_master == master
        assert {:ok, {worker, _ref}} = options |> Options.to_native() |> Native.start(self())
        :ok = Native.stop(worker)
      end
    end

    test "refuses every server that no request can be sent to" do
      for master <- [
            "",
            "..",
            "a..b",
            "-api",
            "api-",
            "api_1",
            "api:6443",
            "10.0.0",
            "10.0.0.256",
            "10.0.0.1:6443",
            "010.0.0.1",
            "fd00::1%eth0",
            "[fd00::1]",
            "http://api",
            "https://",
            "https://:",
            "https://:6443",
            "https://api:",
            "https://api:0",
            "https://api:65536",
            "https://api:99999",
            "https://api:port",
            "https://[::1",
            "https://::1",
            "https://[::1]]",
            "https://[10.0.0.1]",
            "https://[api]",
            "https://[]",
            "https://10.0.0.256",
            "https://user@api",
            "https://api/a b",
            "https://api/?query",
            "https://api/#fragment",
            "https://api//path",
            "https://api\n",
            String.duplicate("a", 64),
            String.duplicate("a.", 127) <> "a",
            "https://api" <> String.duplicate("/a", 1_000)
          ] do
        message = catch_error(new(kubernetes_master: master)).message
        assert message =~ "the option kubernetes_master is #{inspect(master)}, but must be "
        assert message =~ "https://host[:port][/path]"
      end

      long = Enum.join(List.duplicate(String.duplicate("a", 60), 4), ".")
      message = catch_error(new(kubernetes_master: long)).message
      assert message =~ "with the domain cluster.local it is too long a name"
    end

    test "is idle where a required option is nil, which it says, and refuses where it is not given at all" do
      for {config, reason} <- [
            {[kubernetes_selector: nil], "kubernetes_selector is nil"},
            {[kubernetes_node_basename: nil], "kubernetes_node_basename is nil"},
            {[kubernetes_node_basename: nil, kubernetes_selector: nil],
             "kubernetes_node_basename and kubernetes_selector are nil"}
          ] do
        options = Options.new!(:k8s, Keyword.merge(@least, config), %{})
        assert options.idle =~ "#{reason}, so that this topology asks for nothing and finds nobody"
        assert options.warnings == [options.idle]
      end

      assert new([]).idle == nil
    end

    test "warns of what the mode does not use, whatever it is, and goes on" do
      for {key, value, mode, kept} <- [
            {:kubernetes_service_name, "web", :ip, "web"},
            {:kubernetes_service_name, "web", :dns, "web"},
            {:kubernetes_service_name, "Not_Valid", :ip, nil},
            {:kubernetes_service_name, 5, :dns, nil},
            {:kubernetes_ip_family, :ipv6, :hostname, :ipv6}
          ] do
        service = if mode == :hostname, do: [kubernetes_service_name: "web"], else: []
        options = new([{key, value}, mode: mode] ++ service)
        assert options.values[key] == kept

        assert options.warnings == [
                 "the option #{key} is #{inspect(value)}, but mode #{inspect(mode)} does not use it: it has no effect"
               ]
      end

      assert new(mode: :hostname, kubernetes_service_name: "web", kubernetes_ip_family: :primary).warnings == []
      assert new(kubernetes_service_name: nil).warnings == []
    end

    test "refuses what is not given, naming topology and option" do
      for missing <- Keyword.keys(@least) do
        message = catch_error(Options.new!(:k8s, Keyword.delete(@least, missing), %{})).message
        assert message =~ ":k8s"
        assert message =~ "the option #{missing} is required"
      end
    end

    test "refuses what is wrong, naming option, value and what is accepted" do
      for {key, value, accepted} <- [
            {:mode, :host, ":ip, :dns, :hostname"},
            {:kubernetes_node_basename, "my@app", "before the @"},
            {:kubernetes_node_basename, "app\n", "before the @"},
            {:kubernetes_node_basename, "", "before the @"},
            {:kubernetes_node_basename, {:label, "-app"}, "{:label, KEY}"},
            {:kubernetes_node_basename, {:labels, "app"}, "{:label, KEY}"},
            {:kubernetes_node_basename, {:label, nil}, "{:label, KEY}"},
            {:kubernetes_selector, 5, "string"},
            {:kubernetes_selector, "", "select everything"},
            {:kubernetes_selector, " ", "select everything"},
            {:kubernetes_selector, ~c"", "select everything"},
            {:kubernetes_selector, [0xFFFFFFF], "string"},
            {:kubernetes_field_selector, "", "status.phase=Running"},
            {:kubernetes_field_selector, :"", "status.phase=Running"},
            {:kubernetes_namespace, "Not_Valid", "namespace"},
            {:kubernetes_namespace, "", "namespace"},
            {:kubernetes_ip_lookup_mode, :nodes, ":endpoints, :endpoint_slices, :pods"},
            {:kubernetes_namespace, "Not_Valid", ":all"},
            {:kubernetes_cluster_name, "a/b", "DNS"},
            {:kubernetes_cluster_name, "a..b", "DNS"},
            {:kubernetes_service_account_path, "", "folder"},
            {:kubernetes_service_account_path, <<"/tmp/", 255>>, "folder"},
            {:kubernetes_use_cached_resources, :yes, "true or false"},
            {:polling_interval, 0, "at least 1"},
            {:polling_interval, "5000", "integer of milliseconds"},
            {:kubernetes_include_not_ready, 1, "true or false"},
            {:kubernetes_ip_family, :ipv5, ":ipv4, :ipv6"},
            {:kubernetes_rollout_label, "-hash", "label"},
            {:kubernetes_rollout_label, "a/b/c", "label"},
            {:kubernetes_request_timeout, -1, "at least 1"},
            {:kubernetes_disconnect_after, :always, ":never"},
            {:kubernetes_watch, true, "false, :auto"}
          ] do
        message = catch_error(Options.new!(:k8s, Keyword.put(@least, key, value), %{})).message
        assert message =~ "the option #{key} is #{inspect(value)}, but must be "
        assert message =~ accepted
      end

      hostname = Keyword.merge(@least, mode: :hostname, kubernetes_service_name: "a.b")
      assert catch_error(Options.new!(:k8s, hostname, %{})).message =~ ~s|kubernetes_service_name is "a.b", but must be|
      assert catch_error(Options.new!(:k8s, %{}, %{})).message =~ "must be a keyword list"
      assert catch_error(Options.new!(:k8s, @least ++ [mode: :hostname], %{})).message =~ "kubernetes_service_name"
    end

    test "warns of an unknown option, with a known one where one is near" do
      for {unknown, near} <- [
            kubernetes_namspace: "kubernetes_namespace",
            namespace: "kubernetes_namespace",
            selector: "kubernetes_selector",
            kubernetes_mode: "mode",
            poll_interval: "polling_interval",
            service: "kubernetes_service_name",
            hosts: nil,
            secret: nil,
            kubernetes_foo: nil,
            topology: nil
          ] do
        suggestion = if near, do: "; did you mean #{near}?", else: ""

        assert new([{unknown, "prod"}]).warnings == [
                 "the option #{unknown} is not known and has no effect#{suggestion}"
               ]
      end
    end

    test "takes a boolean as an environment variable has it" do
      for {text, value} <- [{"true", true}, {"false", false}] do
        assert new(kubernetes_use_cached_resources: text).values.kubernetes_use_cached_resources == value
      end
    end

    test "takes the domain from CLUSTER_DOMAIN, else from the cluster's name" do
      assert new([]).domain == "cluster.local"
      assert new(kubernetes_cluster_name: "kube").domain == "kube.local"
      assert new([kubernetes_cluster_name: "kube"], %{"CLUSTER_DOMAIN" => "corp.example"}).domain == "corp.example"
      assert new([], %{"CLUSTER_DOMAIN" => ""}).domain == "cluster.local"
      # It would be in the names of nodes.
      assert new([], %{"CLUSTER_DOMAIN" => "corp.example."}).domain == "corp.example"

      for wrong <- ["a b", "..", "a..b", "-a", "a.1"] do
        message = catch_error(new([], %{"CLUSTER_DOMAIN" => wrong})).message
        assert message =~ "the environment variable CLUSTER_DOMAIN is #{inspect(wrong)}"
      end

      assert catch_error(new(kubernetes_cluster_name: "kube.")).message =~ "kubernetes_cluster_name"
    end
  end

  describe "to_native/2" do
    test "asks for the slices of the family of this node's own name, where that is an address" do
      for {config, node, family} <- [
            {[], :"app@fd00::7", :ipv6},
            {[], :"app@10.1.0.7", :ipv4},
            {[], :nonode@nohost, :primary},
            {[], :"app@app.example.com", :primary},
            {[mode: :dns], :"app@fd00::7", :primary},
            {[kubernetes_ip_family: :ipv4], :"app@fd00::7", :ipv4},
            {[kubernetes_ip_lookup_mode: :pods], :"app@fd00::7", :primary},
            {[kubernetes_ip_lookup_mode: :endpoints], :"app@fd00::7", :primary}
          ] do
        options = new([kubernetes_ip_lookup_mode: :endpoint_slices] |> Keyword.merge(config))
        assert %{ip_family: ^family} = Options.to_native(options, node)
      end
    end

    test "hands on the address of the API's Service only when both variables are set" do
      both = %{"KUBERNETES_SERVICE_HOST" => "10.0.0.1", "KUBERNETES_SERVICE_PORT" => "443"}
      assert %{service_host: "10.0.0.1", service_port: "443"} = Options.to_native(new([], both))
      assert %{service_host: nil} = Options.to_native(new([], Map.delete(both, "KUBERNETES_SERVICE_PORT")))
      assert %{service_host: nil} = Options.to_native(new([], %{both | "KUBERNETES_SERVICE_HOST" => <<255>>}))
    end
  end

  test "every option is documented with its default" do
    {:docs_v1, _, _, _, %{"en" => doc}, _, _} = Code.fetch_docs(Options)
    for {key, spec} <- Schema.all(), do: assert(doc =~ "`:#{key}` (#{Schema.default_text(spec)})")
    assert doc =~ "`:kubernetes_include_not_ready` (default `true` with `:pods`, else `false`)"
    assert doc =~ "`:kubernetes_disconnect_after` (default `300000` with `:endpoints`, else `30000`)"
  end
end
