defmodule LibclusterKubernetes.Test.KubeApiserver.Access do
  @moduledoc false
  # Service accounts, their tokens, and what they are allowed.

  import LibclusterKubernetes.Test.KubeApiserver.Admin

  alias LibclusterKubernetes.Test.KubeApiserver.Objects
  alias LibclusterKubernetes.Test.{JSON, Topology}

  @doc """
  Creates a namespace and a ServiceAccount in it, and answers a folder as the kubelet mounts it: `ca.crt`, `namespace`
  and `token`, a real bound token.
  """
  @spec service_account!(LibclusterKubernetes.Test.KubeApiserver.t(), String.t(), String.t()) :: Path.t()
  def service_account!(server, namespace, name) do
    Objects.namespace!(server, namespace)

    apply!(server, "/api/v1/namespaces/#{namespace}/serviceaccounts", %{
      apiVersion: "v1",
      kind: "ServiceAccount",
      metadata: %{name: name}
    })

    folder = Path.join([server.dir, "serviceaccounts", namespace, name])
    File.mkdir_p!(folder)
    File.cp!(server.ca, Path.join(folder, "ca.crt"))
    File.write!(Path.join(folder, "namespace"), namespace)
    write_token!(folder, token!(server, namespace, name))
    folder
  end

  @doc "A new bound token of a ServiceAccount, by TokenRequest. Ten minutes are the shortest life that the API gives."
  def token!(server, namespace, name, seconds \\ 600) do
    path = "/api/v1/namespaces/#{namespace}/serviceaccounts/#{name}/token"
    request = %{apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest", spec: %{expirationSeconds: seconds}}
    create!(server, path, request)["status"]["token"]
  end

  @doc "Replaces the token in a service account's folder, at once as the kubelet does."
  def write_token!(folder, token) do
    File.write!(Path.join(folder, "token.new"), token)
    File.rename!(Path.join(folder, "token.new"), Path.join(folder, "token"))
  end

  @doc """
  Allows a ServiceAccount what `rules` say in its namespace, by a Role and a RoleBinding of its name, and waits until
  that is in force. A rule is as in the API: `%{apiGroups: [""], resources: ["endpoints"], verbs: ["list"]}`.
  """
  def grant!(server, namespace, name, rules) do
    role = %{apiVersion: "rbac.authorization.k8s.io/v1", kind: "Role", metadata: %{name: name}, rules: rules}
    apply!(server, rbac(namespace, "roles"), role)
    bind!(server, namespace, name)
    await_access(server, namespace, name, rules, true)
  end

  @doc "The same in all namespaces, by a ClusterRole and a ClusterRoleBinding of the namespace's name. Does not wait."
  def grant_everywhere!(server, namespace, name, rules) do
    rbac = "/apis/rbac.authorization.k8s.io/v1"
    metadata = %{name: namespace}
    create!(server, "#{rbac}/clusterroles", %{metadata: metadata, rules: rules})

    create!(server, "#{rbac}/clusterrolebindings", %{
      metadata: metadata,
      roleRef: %{apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: namespace},
      subjects: [%{kind: "ServiceAccount", name: name, namespace: namespace}]
    })
  end

  @doc "Takes back what `grant!/4` allowed, by deleting the RoleBinding, and waits until that is in force."
  def revoke!(server, namespace, name) do
    %{"rules" => rules} = get!(server, "#{rbac(namespace, "roles")}/#{name}")
    delete!(server, "#{rbac(namespace, "rolebindings")}/#{name}")
    await_access(server, namespace, name, rules, false)
  end

  @doc "Binds the Role again that `revoke!/3` left without its RoleBinding, and waits until that is in force."
  def restore!(server, namespace, name) do
    %{"rules" => rules} = get!(server, "#{rbac(namespace, "roles")}/#{name}")
    bind!(server, namespace, name)
    await_access(server, namespace, name, rules, true)
  end

  defp bind!(server, namespace, name) do
    apply!(server, rbac(namespace, "rolebindings"), %{
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "RoleBinding",
      metadata: %{name: name},
      roleRef: %{apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: name},
      subjects: [%{kind: "ServiceAccount", name: name, namespace: namespace}]
    })
  end

  # The authorizer sees roles through a cache.
  defp await_access(server, namespace, name, rules, allowed?) do
    # Through JSON, to have string keys whether the rules come from a test or from the server.
    rules = rules |> JSON.encode() |> JSON.decode!()

    for rule <- rules, group <- rule["apiGroups"], resource <- rule["resources"], verb <- rule["verbs"] do
      review = %{
        apiVersion: "authorization.k8s.io/v1",
        kind: "SubjectAccessReview",
        spec: %{
          user: "system:serviceaccount:#{namespace}:#{name}",
          groups: ["system:serviceaccounts", "system:serviceaccounts:#{namespace}", "system:authenticated"],
          resourceAttributes: %{namespace: namespace, group: group, resource: resource, verb: verb}
        }
      }

      path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
      Topology.wait_until(fn -> create!(server, path, review)["status"]["allowed"] == allowed? end)
    end

    :ok
  end

  defp rbac(namespace, resource), do: "/apis/rbac.authorization.k8s.io/v1/namespaces/#{namespace}/#{resource}"
end
