defmodule LibclusterKubernetes.Manifests do
  @moduledoc """
  What Kubernetes must be told for topologies to work, as YAML. Pure; `mix libcluster_kubernetes.gen.manifests` prints it.

  * A ServiceAccount for the pods.
  * For each namespace that is looked in, a Role with the verbs that are used (`list`, and `watch` unless
    `kubernetes_watch` is `false`) on what is looked up, and a RoleBinding; for all namespaces, a ClusterRole and a
    ClusterRoleBinding.
  * A headless Service where one is needed, called `NAME-headless`: for Endpoints and EndpointSlices, whose labels it gives,
    and for `mode: :hostname`, whose DNS names it gives.
  * What the pods need: labels, service account, environment, ports and a readiness probe. As a comment, or, where an image
    is given, as a whole Deployment (with `mode: :hostname` a StatefulSet) with a PodDisruptionBudget. Beside each line that
    is a choice a comment says why.
  * What the release needs, as a comment, and by itself: `release/2`.

  `publishNotReadyAddresses` is set with `mode: :hostname` only: there a pod that is not ready has no DNS record without
  it. In the other modes `kubernetes_include_not_ready` finds such pods as well, and without hiding which pods drain.
  """

  alias LibclusterKubernetes.Manifests.{Labels, Metadata, Notes, Pods, Release, Roles, Services, Workload, Yaml}
  alias LibclusterKubernetes.Options

  @typedoc """
  `:app` names the objects and the container. `:namespace` is that of the pods; without it, it is the one that all
  topologies look in, if they name one, else it is left to `kubectl -n`. `:labels` are labels of the pods, and choose
  where a `kubernetes_selector` leaves a choice.
  """
  @type option ::
          {:app, String.t()}
          | {:namespace, String.t() | nil}
          | {:image, String.t() | nil}
          | {:dist_port, :inet.port_number() | nil}
          | {:cookie_secret, String.t() | nil}
          | {:labels, %{String.t() => String.t()}}

  @doc "The documents for these topologies, of which there is at least one. Raises `ArgumentError` where one cannot be served."
  @spec yaml([Options.t(), ...], [option()]) :: String.t()
  def yaml(topologies, options) do
    {described, own, pods} = describe(topologies, options)

    objects =
      [service_account(pods)] ++
        Roles.objects(topologies, pods) ++ Services.objects(own, pods) ++ Workload.objects(described, pods)

    heading(topologies) <> Enum.map_join(objects, "---\n", &Yaml.document/1) <> Notes.text(described, own, pods)
  end

  @doc "The lines that the files of a release need, for nodes that these topologies and the pods above connect."
  @spec release([Options.t(), ...], [option()]) :: String.t()
  def release(topologies, options) do
    {described, _own, pods} = describe(topologies, options)
    Release.text(described, pods)
  end

  # The topology by which the nodes are named, those that look for them, and the pods that they run in.
  defp describe(topologies, options) do
    app = Keyword.fetch!(options, :app)
    namespace = options[:namespace] || common_namespace!(topologies)
    given = options[:labels] || %{}
    # A topology that looks elsewhere finds the pods of somebody else.
    {own, foreign} = Enum.split_with(topologies, &(&1.values.kubernetes_namespace in [nil, :all, namespace]))
    selected = Labels.selected!(own, app, given)
    labels = Labels.complete!(own, app, options[:image], selected, given)

    pods = %Pods{
      app: app,
      namespace: namespace,
      image: options[:image],
      dist_port: options[:dist_port],
      cookie_secret: options[:cookie_secret],
      given: given,
      selected: selected,
      labels: labels,
      object_labels: Labels.of_objects(labels)
    }

    {hd(own ++ foreign), own, pods}
  end

  defp heading(topologies) do
    names = Enum.map_join(topologies, ", ", &inspect(&1.topology))
    "# For the topologies of config :libcluster: #{names}. Made by mix libcluster_kubernetes.gen.manifests.\n"
  end

  # Whoever looks in all namespaces says nothing about the pods' own.
  defp common_namespace!(topologies) do
    case topologies |> Enum.map(& &1.values.kubernetes_namespace) |> Enum.uniq() |> List.delete(:all) do
      [] ->
        nil

      [namespace] ->
        namespace

      several ->
        raise ArgumentError,
              "the topologies look in different namespaces (#{Enum.map_join(several, ", ", &(&1 || "the pods' own"))}): " <>
                "say by --namespace in which of them the pods run, for the RoleBindings to name it"
    end
  end

  defp service_account(pods) do
    metadata = Metadata.new(pods.app, pods.namespace, pods.object_labels)
    [{"apiVersion", "v1"}, {"kind", "ServiceAccount"}, {"metadata", metadata}]
  end
end
