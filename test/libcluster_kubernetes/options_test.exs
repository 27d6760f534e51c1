defmodule LibclusterKubernetes.OptionsTest do
  use ExUnit.Case, async: true

  alias LibclusterKubernetes.Options

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
               polling_interval: 5_000,
               kubernetes_include_not_ready: false,
               kubernetes_ip_family: :primary,
               kubernetes_rollout_label: nil,
               kubernetes_request_timeout: 15_000,
               kubernetes_disconnect_after: 30_000,
               kubernetes_watch: :auto
             }
    end

    test "refuses a rollout label where no labels of pods are read" do
      for source <- [:endpoints, :endpoint_slices] do
        config = [kubernetes_rollout_label: "pod-template-hash", kubernetes_ip_lookup_mode: source]
        message = catch_error(new(config)).message
        assert message =~ "kubernetes_ip_lookup_mode: :pods"
        assert message =~ "#{source} do not carry"
      end

      for label <- ["pod-template-hash", "app.kubernetes.io/version"] do
        config = [kubernetes_rollout_label: label, kubernetes_ip_lookup_mode: :pods]
        assert %{rollout_label: ^label, node: "nonode@nohost"} = config |> new() |> Options.to_native()
      end
    end

    test "takes nil for not given, and atoms where libcluster interpolates" do
      assert value([mode: nil, polling_interval: nil], :mode) == :ip
      assert value([kubernetes_namespace: :prod], :kubernetes_namespace) == "prod"
    end

    test "refuses what is missing, naming topology and option" do
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
            {:kubernetes_selector, 5, "string"},
            {:kubernetes_namespace, "Not_Valid", "namespace"},
            {:kubernetes_namespace, "", "namespace"},
            {:kubernetes_ip_lookup_mode, :nodes, ":endpoints, :endpoint_slices, :pods"},
            {:kubernetes_service_name, "a.b", "Service"},
            {:kubernetes_cluster_name, "a/b", "DNS"},
            {:kubernetes_master, "http://api", "https://"},
            {:kubernetes_master, "api:6443", "https://"},
            {:kubernetes_service_account_path, "", "folder"},
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

      assert catch_error(Options.new!(:k8s, %{}, %{})).message =~ "must be a keyword list"
      assert catch_error(Options.new!(:k8s, @least ++ [mode: :hostname], %{})).message =~ "kubernetes_service_name"
    end

    test "warns of an unknown option with the nearest known one" do
      assert [warning] = new(kubernetes_namspace: "prod").warnings
      assert warning =~ "kubernetes_namspace"
      assert warning =~ "did you mean kubernetes_namespace?"
    end

    test "takes the domain from CLUSTER_DOMAIN, else from the cluster's name" do
      assert new([]).domain == "cluster.local"
      assert new(kubernetes_cluster_name: "kube").domain == "kube.local"
      assert new([kubernetes_cluster_name: "kube"], %{"CLUSTER_DOMAIN" => "corp.example"}).domain == "corp.example"
      assert new([], %{"CLUSTER_DOMAIN" => ""}).domain == "cluster.local"
      assert catch_error(new([], %{"CLUSTER_DOMAIN" => "a b"})).message =~ "CLUSTER_DOMAIN"
    end
  end

  describe "to_native/1" do
    test "hands on the address of the API's Service only when both variables are set" do
      both = %{"KUBERNETES_SERVICE_HOST" => "10.0.0.1", "KUBERNETES_SERVICE_PORT" => "443"}
      assert %{service_host: "10.0.0.1", service_port: "443"} = Options.to_native(new([], both))
      assert %{service_host: nil} = Options.to_native(new([], Map.delete(both, "KUBERNETES_SERVICE_PORT")))
    end
  end

  test "every option is documented with its default" do
    {:docs_v1, _, _, _, %{"en" => doc}, _, _} = Code.fetch_docs(Options)

    for {key, spec} <- Options.schema() do
      default = if spec[:required], do: "required", else: "default `#{inspect(spec[:default])}`"
      assert doc =~ "`:#{key}` (#{default})"
    end
  end
end
