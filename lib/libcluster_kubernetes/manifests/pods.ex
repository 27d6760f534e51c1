defmodule LibclusterKubernetes.Manifests.Pods do
  @moduledoc false
  # What the pods of an application need, and what else they have where there is an image for them.

  alias LibclusterKubernetes.Manifests.{Environment, Yaml}
  alias LibclusterKubernetes.Options

  @enforce_keys [:app, :namespace, :image, :dist_port, :cookie_secret, :given, :selected, :labels, :object_labels]
  defstruct @enforce_keys

  @type labels :: %{String.t() => String.t()}
  @type t :: %__MODULE__{
          app: String.t(),
          namespace: String.t() | nil,
          image: String.t() | nil,
          dist_port: :inet.port_number() | nil,
          cookie_secret: String.t() | nil,
          # What was given by --label.
          given: labels(),
          # By what the pods are selected, all that they have, and what every object has.
          selected: labels(),
          labels: labels(),
          object_labels: labels()
        }

  @epmd_port 4369

  @grace_period 60

  @doc "The ports for distribution, by name. The names tell a service mesh that this is no HTTP."
  @spec ports(t()) :: [{String.t(), :inet.port_number()}]
  def ports(%{dist_port: nil}), do: [{"tcp-epmd", @epmd_port}]
  def ports(%{dist_port: port}), do: [{"tcp-dist", port}]

  @doc "Seconds from a pod's deletion to its end."
  @spec grace_period() :: pos_integer()
  def grace_period, do: @grace_period

  @doc "The template of the workload. Without an image it is what the application's own template needs, too."
  @spec template(Options.t(), t()) :: Yaml.value()
  def template(topology, %{image: nil} = pods) do
    container = container(topology, pods, [], [])
    labelled(pods, [{"containers", [container]}])
  end

  def template(topology, pods) do
    container = container(topology, pods, [{"image", pods.image}], [writable_folder()])

    labelled(pods, [
      {"terminationGracePeriodSeconds", @grace_period, "longer than preStop and the stop of the applications take"},
      {"securityContext",
       [
         {"runAsNonRoot", true},
         {"runAsUser", 65_534, "nobody, whatever user the image names"},
         {"seccompProfile", [{"type", "RuntimeDefault"}]}
       ], "with that of the container: what Kubernetes calls restricted"},
      {"containers", [container ++ confined()]},
      {"volumes", [[{"name", "tmp"}, {"emptyDir", [{"sizeLimit", "64Mi"}]}]]}
    ])
  end

  defp labelled(pods, spec) do
    [
      {"metadata", [{"labels", Enum.sort(pods.labels)}]},
      {"spec", [{"serviceAccountName", pods.app} | spec]}
    ]
  end

  defp container(topology, pods, image, more_variables) do
    ports = for {name, port} <- ports(pods), do: [{"name", name}, {"containerPort", port}, {"protocol", "TCP"}]

    [{"name", pods.app}] ++
      image ++
      [
        {"env", Environment.variables(topology, pods) ++ more_variables},
        {"ports", ports},
        readiness(pods)
      ]
  end

  # A pod without a probe is ready as soon as its process runs.
  defp readiness(pods) do
    [{port, _}] = ports(pods)

    why =
      if pods.dist_port,
        do: "ready once the VM listens; earlier, old nodes drain before they can meet new ones",
        else: "epmd answers a moment before the VM listens; with --dist-port this is the VM's own"

    {"readinessProbe", [{"tcpSocket", [{"port", port}]}, {"periodSeconds", 2}], why}
  end

  defp writable_folder do
    [{"name", "RELEASE_TMP"}, {"value", "/tmp", "the only folder that a release writes to"}]
  end

  defp confined do
    [
      {"resources",
       [
         {"requests", [{"cpu", "100m"}, {"memory", "512Mi"}]},
         {"limits", [{"memory", "512Mi"}], "none of cpu: a throttled VM answers its peers late"}
       ], "to begin with: measure yours by kubectl top pod"},
      {"securityContext",
       [
         {"allowPrivilegeEscalation", false},
         {"readOnlyRootFilesystem", true, "if the application writes elsewhere than to /tmp, give it a volume there"},
         {"capabilities", [{"drop", ["ALL"]}]}
       ]},
      {"volumeMounts", [[{"name", "tmp"}, {"mountPath", "/tmp"}]]}
    ]
  end
end
