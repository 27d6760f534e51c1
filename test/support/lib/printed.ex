defmodule LibclusterKubernetes.Test.Printed do
  @moduledoc "What `mix libcluster_kubernetes.gen.manifests` prints, as objects and as comments."

  alias LibclusterKubernetes.{Manifests, Options}
  alias LibclusterKubernetes.Test.YAML

  @doc "A topology with this configuration."
  def topology(config, name \\ :k8s, env \\ %{}) do
    Options.new!(
      name,
      Keyword.merge([kubernetes_node_basename: "myapp", kubernetes_selector: "app=myapp"], config),
      env
    )
  end

  @doc "What is printed for these topologies."
  def yaml(topologies, options \\ []), do: Manifests.yaml(topologies, Keyword.put_new(options, :app, "my-app"))

  @doc "The objects of it."
  def objects(topologies, options \\ []) do
    for {object, _text} <- topologies |> yaml(options) |> YAML.documents!(), do: object
  end

  @doc "The only one of this kind."
  def one(objects, kind) do
    [object] = Enum.filter(objects, &(&1["kind"] == kind))
    object
  end

  @doc "Their kinds, in their order."
  def kinds(objects), do: Enum.map(objects, & &1["kind"])

  @doc "The only container of its pods."
  def container(workload) do
    [container] = workload["spec"]["template"]["spec"]["containers"]
    container
  end

  @doc "The variables of its container."
  def env(workload), do: container(workload)["env"]

  @doc "With what Options does not accept yet, or not here."
  def with_value(topology, key, value), do: put_in(topology.values[key], value)

  @doc "The comments after the objects, without what makes them comments, in one line each."
  def notes(topologies, options \\ []) do
    [_, notes] = topologies |> yaml(options) |> String.split(~r/^(?=# (?!For the topologies))/m, parts: 2)
    notes |> String.replace(~r/\n#   (?=\S)/, " ") |> String.replace(~r/^# ?/m, "")
  end
end
