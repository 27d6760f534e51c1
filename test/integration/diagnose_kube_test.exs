defmodule LibclusterKubernetes.DiagnoseKubeTest do
  # Broken set-ups of the API, on the real kube-apiserver: what it answers is what is diagnosed. Those of nodes are in
  # diagnose_test.exs; here this VM is taken for a pod's node.
  use ExUnit.Case, async: false

  alias LibclusterKubernetes.Diagnosis
  alias LibclusterKubernetes.Diagnosis.{Subject, Surroundings}
  alias LibclusterKubernetes.Test.KubeApiserver

  @moduletag :kube_apiserver
  @moduletag timeout: 120_000

  @account "app"
  @node "app@10.1.0.1"
  @rules [%{apiGroups: [""], resources: ["endpoints"], verbs: ["list", "watch"]}]

  setup_all do
    server = KubeApiserver.start!()
    on_exit(fn -> KubeApiserver.stop(server) end)
    %{server: server}
  end

  setup %{server: server} do
    namespace = "test-#{System.unique_integer([:positive])}"
    folder = KubeApiserver.service_account!(server, namespace, @account)
    context = %{server: server, namespace: namespace, folder: folder}
    KubeApiserver.grant!(server, namespace, @account, @rules)
    KubeApiserver.endpoints!(server, namespace, "app", ["10.1.0.1"])
    context
  end

  defp diagnose(context, config \\ [], node \\ @node) do
    defaults = [
      kubernetes_node_basename: "app",
      kubernetes_selector: "app=app",
      kubernetes_master: context.server.url,
      kubernetes_service_account_path: context.folder
    ]

    surroundings = %Surroundings{node: node, now: System.os_time(:second)}
    diagnosis = Diagnosis.run(:kube, Subject.check(:kube, Keyword.merge(defaults, config)), surroundings)
    refute_token(diagnosis, context)
    assert Enum.all?(diagnosis |> Diagnosis.to_text() |> String.split("\n"), &(String.length(&1) <= 80)), "#{diagnosis}"
    diagnosis
  end

  # Neither the token nor a part of it is in any field or in the table.
  defp refute_token(diagnosis, context) do
    with {:ok, token} <- File.read(Path.join(context.folder, "token")) do
      said = "#{diagnosis}" <> inspect(Map.from_struct(diagnosis), limit: :infinity, printable_limit: :infinity)
      [_header, _claims, signature] = String.split(token, ".")
      refute said =~ String.slice(signature, 0, 24)
    end
  end

  defp check(diagnosis, name), do: Enum.find(diagnosis.checks, &(&1.name == name))

  test "nothing is wrong", context do
    diagnosis = diagnose(context)
    assert diagnosis.cause == nil, "#{diagnosis}"
    account = "system:serviceaccount:#{context.namespace}:#{@account}"

    assert %{status: :ok, data: %{subject: ^account, audiences: ["https://kubernetes.default.svc"]}} =
             check(diagnosis, :token)

    assert check(diagnosis, :token).found =~ ~r/expires .*Z, in (9|10) minutes/
    assert check(diagnosis, :may_list).found =~ ~s(RBAC: allowed by RoleBinding "#{@account}/#{context.namespace}")
    assert %{status: :ok} = check(diagnosis, :may_watch)
    assert %{status: :ok} = check(diagnosis, :watch)
    assert %{status: :ok, found: "v" <> _} = check(diagnosis, :version)
    assert %{status: :warning} = check(diagnosis, :names)
  end

  test "7. wrong role: the one it prints is what is missing", context do
    rules = [%{apiGroups: [""], resources: ["pods"], verbs: ["list"]}]
    KubeApiserver.revoke!(context.server, context.namespace, @account)
    KubeApiserver.grant!(context.server, context.namespace, @account, rules)
    diagnosis = diagnose(context)
    assert %{name: :may_list} = diagnosis.cause
    assert diagnosis.cause.found =~ ~s(User "system:serviceaccount:#{context.namespace}:#{@account}" cannot list)

    # As it stands in the table, to be pasted.
    [_, pasted] = diagnosis |> Diagnosis.to_text() |> String.split("kubectl apply -f - <<'END'\n")
    [yaml, ""] = String.split(pasted, "\nEND")
    apply_yaml(context, yaml)
    await(fn -> diagnose(context).cause == nil end)
    assert %{status: :ok} = check(diagnose(context), :may_watch)
  end

  test "a ClusterRole where all namespaces are looked in, likewise", context do
    config = [kubernetes_namespace: :all, kubernetes_selector: "app=app,of=#{context.namespace}"]
    labels = %{app: "app", of: context.namespace}
    KubeApiserver.endpoints!(context.server, context.namespace, "app", ["10.1.0.1"], labels: labels)
    diagnosis = diagnose(context, config)
    assert %{name: :may_list, apply: yaml} = diagnosis.cause
    assert diagnosis.cause.found =~ "cannot list endpoints in all namespaces: "
    assert check(diagnosis, :namespace).found == "all namespaces"
    assert check(diagnosis, :may_watch).found =~ "may not watch endpoints in all namespaces either"

    apply_yaml(context, yaml)
    await(fn -> diagnose(context, config).cause == nil end)
    diagnosis = diagnose(context, config)
    assert %{status: :ok} = check(diagnosis, :may_watch)
    assert check(diagnosis, :objects).found =~ "#{context.namespace}/app (addresses: 1)"

    assert %{name: :objects, found: found} =
             diagnose(context, Keyword.put(config, :kubernetes_selector, "app=ap")).cause

    assert found =~ ~s(no endpoints in any namespace match kubernetes_selector "app=ap". There are: )
  end

  test "what the field selector leaves out", context do
    config = [kubernetes_field_selector: "metadata.name=other"]
    assert %{name: :objects, found: found} = diagnose(context, config).cause
    assert found =~ ~s(kubernetes_selector "app=app" and kubernetes_field_selector "metadata.name=other")
    assert found =~ "There are: app (app=app)"
    assert %{name: :objects, found: found} = diagnose(context, kubernetes_field_selector: "status.phase=Running").cause
    assert found =~ ~s("status.phase" is not a known field selector)
  end

  test "a role that allows to list only is a warning, with the same remedy", context do
    rules = [%{apiGroups: [""], resources: ["endpoints"], verbs: ["list"]}]
    KubeApiserver.revoke!(context.server, context.namespace, @account)
    KubeApiserver.grant!(context.server, context.namespace, @account, rules)
    await(fn -> check(diagnose(context), :may_watch).status == :warning end)
    diagnosis = diagnose(context)
    assert %{cause: nil} = diagnosis
    assert check(diagnosis, :may_watch).apply =~ ~s(verbs: ["list", "watch"])
    assert %{status: :skipped, found: "not allowed: see may_watch"} = check(diagnosis, :watch)
    assert check(diagnose(context, kubernetes_watch: false), :may_watch).status == :skipped
  end

  test "8. wrong selector: the label that is meant is named", context do
    diagnosis = diagnose(context, kubernetes_selector: "app=ap")
    assert %{name: :objects, found: found, remedy: remedy} = diagnosis.cause
    assert found =~ ~s(no endpoints in namespace "#{context.namespace}" match kubernetes_selector "app=ap")
    assert found =~ "There are: app (app=app)"
    assert remedy =~ ~s(such as "app=app")
    assert remedy =~ "metadata.labels, not its spec.selector"
  end

  test "a selector that is none is the server's own message", context do
    assert %{name: :objects, found: found} = diagnose(context, kubernetes_selector: "app in (").cause
    assert found =~ "unable to parse requirement"
  end

  test "9. missing CA", context do
    File.rm!(Path.join(context.folder, "ca.crt"))
    diagnosis = diagnose(context)
    assert %{name: :ca, found: found, remedy: remedy} = diagnosis.cause
    assert found =~ "ca.crt: No such file or directory"
    assert remedy =~ "automountServiceAccountToken: true"
    assert %{status: :ok} = check(diagnosis, :tcp)
    assert %{status: :skipped} = check(diagnosis, :tls)
  end

  test "a CA of another cluster: the names of both are told", context do
    File.write!(Path.join(context.folder, "ca.crt"), KubeApiserver.other_ca())
    diagnosis = diagnose(context)
    assert %{name: :tls, found: found} = diagnosis.cause
    assert found =~ "issued by CN="
    assert found =~ "ca.crt holds CN="
  end

  test "10. expired token", context do
    KubeApiserver.write_token!(context.folder, expired_token(context))
    diagnosis = diagnose(context)
    assert %{name: :token, found: found, remedy: remedy} = diagnosis.cause
    assert found =~ ~r/of system:serviceaccount:#{context.namespace}:app .*has expired: .*Z, 60 minutes ago/
    assert remedy =~ "subPath"
    # The server says the same in its way.
    assert %{status: :failed, found: refused} = check(diagnosis, :version)
    assert refused =~ "HTTP 401"
  end

  test "11. wrong service name: the API tells which is right", context do
    KubeApiserver.endpoints!(context.server, context.namespace, "headless", [{"10.1.0.1", "app-0"}])
    KubeApiserver.delete_endpoints!(context.server, context.namespace, "app")
    node = "app@app-0.headless.#{context.namespace}.svc.cluster.local"
    config = [mode: :hostname, kubernetes_service_name: "headles"]

    diagnosis = diagnose(context, config, node)
    assert %{name: :node_name, data: %{differences: [:service]}} = diagnosis.cause
    assert diagnosis.cause.remedy =~ ~s(set kubernetes_service_name: "headless")

    # The node is named after it, too.
    diagnosis = diagnose(context, config, String.replace(node, "headless", "headles"))
    assert %{name: :objects, found: found, remedy: remedy} = diagnosis.cause
    assert found =~ ~s(of Service "headless", but kubernetes_service_name is "headles")
    assert remedy =~ ~s(Set kubernetes_service_name: "headless")
    assert diagnose(context, [mode: :hostname, kubernetes_service_name: "headless"], node).cause == nil
  end

  test "12. Service without endpoints", context do
    KubeApiserver.endpoints!(context.server, context.namespace, "app", [])
    diagnosis = diagnose(context)
    assert %{name: :objects, found: found, remedy: remedy} = diagnosis.cause
    assert found =~ "app (addresses: 0): no address in any of them"

    assert remedy =~
             ~r/kubernetes_selector "app=app" is right, but the spec.selector of Service "app".* matches no pod/s

    assert remedy =~ "kubectl -n #{context.namespace} get pods --show-labels"
  end

  test "endpoints that are all not ready", context do
    KubeApiserver.endpoints!(context.server, context.namespace, "app", [], not_ready: ["10.1.0.1", "10.1.0.2"])
    assert %{name: :names, remedy: remedy} = diagnose(context).cause
    assert remedy =~ "kubernetes_include_not_ready: true"
  end

  test "a namespace where nothing is", context do
    KubeApiserver.delete_endpoints!(context.server, context.namespace, "app")
    assert %{name: :objects, found: found} = diagnose(context).cause
    assert found =~ "nor is there any other there"
  end

  test "pods: their labels and Services are told, too", context do
    rules = [%{apiGroups: [""], resources: ["pods"], verbs: ["list", "watch"]}]
    KubeApiserver.grant!(context.server, context.namespace, @account, rules)

    KubeApiserver.pod!(context.server, context.namespace, "app-0",
      ip: "10.1.0.1",
      hostname: "app-0",
      subdomain: "headless"
    )

    pods = [kubernetes_ip_lookup_mode: :pods]
    assert diagnose(context, pods).cause == nil
    assert %{name: :objects, remedy: remedy} = diagnose(context, pods ++ [kubernetes_selector: "app=ap"]).cause
    assert remedy =~ "template"
    node = "app@app-0.other.#{context.namespace}.svc.cluster.local"
    config = pods ++ [mode: :hostname, kubernetes_service_name: "other"]
    assert %{name: :objects, found: found} = diagnose(context, config, node).cause
    assert found =~ ~s(of Service "headless", but kubernetes_service_name is "other")
  end

  # As kubectl does with each document: the API server reads YAML itself.
  defp apply_yaml(context, yaml) do
    namespace = "namespaces/#{context.namespace}/"

    collections =
      if yaml =~ "kind: ClusterRole\n",
        do: ["clusterroles", "clusterrolebindings"],
        else: ["#{namespace}roles", "#{namespace}rolebindings"]

    for {document, collection} <- Enum.zip(String.split(yaml, "---\n"), collections) do
      path = "/apis/rbac.authorization.k8s.io/v1/#{collection}"
      headers = [{~c"authorization", ~c"Bearer #{context.server.admin_token}"}]
      tls = [verify: :verify_peer, cacertfile: context.server.ca, server_name_indication: ~c"localhost"]
      request = {~c"#{context.server.url}#{path}", headers, ~c"application/yaml", document}
      assert {:ok, {{_, 201, _}, _, _}} = :httpc.request(:post, request, [ssl: tls], [])
    end
  end

  # As the API server itself would have made it an hour ago and more: signed with its key.
  defp expired_token(context) do
    {:ok, token} = File.read(Path.join(context.folder, "token"))
    [header, claims, _signature] = String.split(token, ".")
    ended = Integer.to_string(System.os_time(:second) - 3_600)
    claims = claims |> Base.url_decode64!(padding: false) |> String.replace(~r/"exp":\d+/, ~s("exp":#{ended}))
    signed = "#{header}.#{Base.url_encode64(claims, padding: false)}"
    [entry] = context.server.dir |> Path.join("sa.key") |> File.read!() |> :public_key.pem_decode()
    signature = :public_key.sign(signed, :sha256, :public_key.pem_entry_decode(entry))
    "#{signed}.#{Base.url_encode64(signature, padding: false)}"
  end

  # The authorizer sees roles through a cache.
  defp await(condition), do: LibclusterKubernetes.Test.Topology.wait_until(condition)
end
