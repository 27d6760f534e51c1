defmodule LibclusterKubernetes.Diagnosis.Role do
  @moduledoc false
  # Whether the role allows to list and to watch, as the API's own authorizer says and as the list shows.

  alias LibclusterKubernetes.Diagnosis.Check
  alias LibclusterKubernetes.{Native, Options}
  alias LibclusterKubernetes.Options.Source

  @remedy "Apply what stands below this table."

  @spec checks(Options.t(), Native.facts()) :: [Check.t()]
  def checks(options, facts), do: [list(options, facts), watch(options, facts)]

  # The list itself knows best; what the authorizer says explains it.
  defp list(_options, %{snapshot: nil}), do: Check.skipped(:may_list)

  defp list(options, %{snapshot: {:error, %{kind: :forbidden} = error}} = facts) do
    Check.failed(:may_list, error.message, @remedy, %{status: error.status}) |> to_apply(options, facts)
  end

  defp list(options, %{snapshot: {:error, _}, may_list: {:ok, %{allowed: false}}} = facts) do
    found = "the role does not allow #{subject(facts)} to list #{resource(options)}#{where(facts)}"
    Check.failed(:may_list, found, @remedy) |> to_apply(options, facts)
  end

  defp list(options, %{snapshot: snapshot, may_list: review}) do
    if match?({:ok, _}, snapshot) or match?({:ok, %{allowed: true}}, review),
      do: Check.ok(:may_list, "may list #{resource(options)}#{reason(review)}"),
      else: Check.skipped(:may_list, "not known: the API says neither what the role allows nor what there is")
  end

  defp watch(%{values: %{kubernetes_watch: false}}, _facts) do
    Check.skipped(:may_watch, "kubernetes_watch is false, so that nothing is watched")
  end

  defp watch(_options, %{may_watch: nil}), do: Check.skipped(:may_watch)

  defp watch(_options, %{may_watch: {:error, error}}) do
    Check.skipped(:may_watch, "the API does not say what the role allows: #{error.message}")
  end

  defp watch(options, %{may_watch: {:ok, %{allowed: true}} = review}) do
    Check.ok(:may_watch, "may watch #{resource(options)}#{reason(review)}")
  end

  defp watch(options, %{may_list: {:ok, %{allowed: false}}} = facts) do
    Check.failed(:may_watch, "may not watch #{resource(options)}#{where(facts)} either", "See may_list.")
  end

  defp watch(options, facts) do
    interval = options.values.polling_interval
    found = "may not watch #{resource(options)}#{where(facts)}, so that it is asked every #{interval} ms instead"
    Check.warning(:may_watch, found, @remedy) |> to_apply(options, facts)
  end

  defp to_apply(check, options, facts), do: %{check | apply: manifest(options, facts)}

  defp reason({:ok, %{reason: reason}}) when reason != nil, do: " (#{reason})"
  defp reason(_review), do: ""

  defp where(%{namespace: {:ok, :all}}), do: " in all namespaces"
  defp where(%{namespace: {:ok, namespace}}), do: " in namespace #{inspect(namespace)}"

  @doc """
  The role that is needed, bound to the account of the token, to be applied as it is. Of a name that no other account has,
  and no other resource: what is applied takes nothing away.
  """
  @spec manifest(Options.t(), Native.facts()) :: String.t()
  def manifest(options, %{namespace: {:ok, namespace}} = facts) do
    {account_namespace, account} = account(facts, namespace)
    name = "#{account}-libcluster-#{resource(options)}"

    {cluster, name, metadata} =
      if namespace == :all,
        do: {"Cluster", "#{account_namespace}-#{name}", ""},
        else: {"", name, "\n  namespace: #{namespace}"}

    """
    apiVersion: rbac.authorization.k8s.io/v1
    kind: #{cluster}Role
    metadata:
      name: #{name}#{metadata}
    rules:
      - apiGroups: [#{inspect(group(options))}]
        resources: [#{inspect(resource(options))}]
        verbs: ["list", "watch"]
    ---
    apiVersion: rbac.authorization.k8s.io/v1
    kind: #{cluster}RoleBinding
    metadata:
      name: #{name}#{metadata}
    roleRef:
      apiGroup: rbac.authorization.k8s.io
      kind: #{cluster}Role
      name: #{name}
    subjects:
      - kind: ServiceAccount
        name: #{account}
        namespace: #{account_namespace}\
    """
  end

  # Without a token that says so, the account that pods have by default.
  defp account(facts, namespace) do
    with {:ok, %{subject: "system:serviceaccount:" <> rest}} <- facts.token,
         [account_namespace, account] <- String.split(rest, ":") do
      {account_namespace, account}
    else
      _ -> {if(namespace == :all, do: "NAMESPACE", else: namespace), "default"}
    end
  end

  defp subject(%{token: {:ok, %{subject: subject}}}) when subject != nil, do: subject
  defp subject(_facts), do: "this service account"

  defp group(%{values: %{kubernetes_ip_lookup_mode: source}}), do: Source.group(source)

  @doc "The resource of the source, as roles name it."
  @spec resource(Options.t()) :: String.t()
  def resource(%{values: %{kubernetes_ip_lookup_mode: source}}), do: Source.resource(source)
end
