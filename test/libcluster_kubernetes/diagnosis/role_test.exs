defmodule LibclusterKubernetes.Diagnosis.RoleTest do
  # What the authorizer and the list say together. That the manifest is what is missing, the real kube-apiserver shows in
  # test/integration/diagnose_kube_test.exs.
  use ExUnit.Case, async: true

  alias LibclusterKubernetes.Diagnosis.Role
  alias LibclusterKubernetes.Options

  @allowed {:ok, %{allowed: true, reason: nil}}
  @denied {:ok, %{allowed: false, reason: nil}}
  @unknown {:error, %{kind: :forbidden, status: 403, message: "no reviews"}}
  @forbidden {:error, %{kind: :forbidden, status: 403, message: "may not"}}
  @failed {:error, %{kind: :server, status: 500, message: "busy"}}
  @listed {:ok, %{}}

  defp statuses(may_list, may_watch, snapshot, config \\ []) do
    config |> options() |> Role.checks(facts(may_list, may_watch, snapshot)) |> Enum.map(& &1.status)
  end

  defp options(config) do
    Options.new!(:k8s, [kubernetes_node_basename: "app", kubernetes_selector: "a=b"] ++ config, %{})
  end

  defp facts(may_list, may_watch, snapshot, token \\ {:ok, nil}) do
    %{may_list: may_list, may_watch: may_watch, snapshot: snapshot, token: token, namespace: {:ok, "prod"}}
  end

  test "the list decides, and where it fails the authorizer" do
    assert statuses(@allowed, @allowed, @listed) == [:ok, :ok]
    assert statuses(@allowed, @denied, @listed) == [:ok, :warning]
    assert statuses(@unknown, @unknown, @listed) == [:ok, :skipped]
    assert statuses(@unknown, @unknown, @forbidden) == [:failed, :skipped]
    assert statuses(@denied, @denied, @forbidden) == [:failed, :failed]
    assert statuses(@denied, @denied, @failed) == [:failed, :failed]
    assert statuses(@allowed, @allowed, @failed) == [:ok, :ok]
    assert statuses(@unknown, @unknown, @failed) == [:skipped, :skipped]
    assert statuses(nil, nil, nil) == [:skipped, :skipped]
    assert statuses(@allowed, @denied, @listed, kubernetes_watch: false) == [:ok, :skipped]
  end

  test "the manifest is of the source, the namespace and the account" do
    slices = options(kubernetes_ip_lookup_mode: :endpoint_slices)
    token = {:ok, %{subject: "system:serviceaccount:tools:worker"}}
    manifest = Role.manifest(slices, facts(@denied, @denied, @forbidden, token))
    assert manifest =~ ~s(apiGroups: ["discovery.k8s.io"]\n    resources: ["endpointslices"])
    assert manifest =~ "name: worker\n    namespace: tools"
    # Whoever applies another one, of another account or source, takes nothing from this.
    assert manifest =~ "metadata:\n  name: worker-libcluster-endpointslices\n  namespace: prod"
    assert manifest =~ "kind: Role\n  name: worker-libcluster-endpointslices\nsubjects:"

    # A namespace that is all of them.
    all = %{facts(@denied, @denied, @forbidden, token) | namespace: {:ok, :all}}
    manifest = Role.manifest(slices, all)
    assert manifest =~ "kind: ClusterRole\nmetadata:\n  name: tools-worker-libcluster-endpointslices\nrules:"
    assert manifest =~ "kind: ClusterRoleBinding\nmetadata:\n  name: tools-worker-libcluster-endpointslices\nroleRef:"
    assert manifest =~ "kind: ClusterRole\n  name: tools-worker-libcluster-endpointslices\nsubjects:"
    assert manifest =~ "name: worker\n    namespace: tools"
    assert [%{found: found} | _] = Role.checks(slices, %{all | snapshot: @failed})
    assert found =~ "does not allow system:serviceaccount:tools:worker to list endpointslices in all namespaces"

    # A token that does not say whose it is.
    manifest = Role.manifest(options([]), facts(@denied, @denied, @forbidden))
    assert manifest =~ ~s(apiGroups: [""]\n    resources: ["endpoints"])
    assert manifest =~ "name: default\n    namespace: prod"
  end
end
