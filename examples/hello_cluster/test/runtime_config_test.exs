defmodule HelloCluster.RuntimeConfigTest do
  use ExUnit.Case, async: false

  @variables ~w(HELLO_MODE HELLO_LOOKUP HELLO_SELECTOR HELLO_NAMESPACE HELLO_SERVICE HELLO_MASTER
    HELLO_SERVICE_ACCOUNT HELLO_POLLING_INTERVAL HELLO_DISCONNECT_AFTER HELLO_WATCH HELLO_TIMESTAMPS)

  setup do
    saved = Map.take(System.get_env(), @variables)
    Enum.each(@variables, &System.delete_env/1)

    on_exit(fn ->
      Enum.each(@variables, &System.delete_env/1)
      System.put_env(saved)
    end)
  end

  defp read(variables, env \\ :prod) do
    System.put_env(variables)
    Config.Reader.read!("config/runtime.exs", env: env)
  end

  defp options(variables) do
    assert [hello_cluster: topology] = read(variables)[:libcluster][:topologies]
    assert topology[:strategy] == LibclusterKubernetes.Strategy
    topology[:config]
  end

  test "leaves out what is not set" do
    assert Enum.sort(options(%{})) == [
             kubernetes_node_basename: "hello_cluster",
             kubernetes_selector: "app=hello-cluster",
             mode: :ip
           ]
  end

  test "takes every option from the environment" do
    options =
      options(%{
        "HELLO_MODE" => "hostname",
        "HELLO_LOOKUP" => "pods",
        "HELLO_WATCH" => "false",
        "HELLO_SELECTOR" => "app=x",
        "HELLO_NAMESPACE" => "ns",
        "HELLO_SERVICE" => "svc",
        "HELLO_MASTER" => "https://127.0.0.1:6443",
        "HELLO_SERVICE_ACCOUNT" => "/sa",
        "HELLO_POLLING_INTERVAL" => "500",
        "HELLO_DISCONNECT_AFTER" => "0"
      })

    assert Enum.sort(options) == [
             kubernetes_disconnect_after: 0,
             kubernetes_ip_lookup_mode: :pods,
             kubernetes_master: "https://127.0.0.1:6443",
             kubernetes_namespace: "ns",
             kubernetes_node_basename: "hello_cluster",
             kubernetes_selector: "app=x",
             kubernetes_service_account_path: "/sa",
             kubernetes_service_name: "svc",
             kubernetes_watch: false,
             mode: :hostname,
             polling_interval: 500
           ]
  end

  for {name, value} <- [
        {"HELLO_MODE", "ipv4"},
        {"HELLO_LOOKUP", "services"},
        {"HELLO_WATCH", "true"},
        {"HELLO_TIMESTAMPS", "yes"},
        {"HELLO_POLLING_INTERVAL", "5s"}
      ] do
    test "refuses #{name}=#{value} with a message that names it" do
      assert_raise RuntimeError, ~r/^#{unquote(name)} is "#{unquote(value)}"; accepted: /, fn ->
        read(%{unquote(name) => unquote(value)})
      end
    end
  end

  test "prints times only when asked to" do
    assert read(%{})[:hello_cluster] == [timestamps: false]
    assert read(%{"HELLO_TIMESTAMPS" => "true"})[:hello_cluster] == [timestamps: true]
  end

  test "configures no topology outside production" do
    assert read(%{}, :test) == []
  end
end
