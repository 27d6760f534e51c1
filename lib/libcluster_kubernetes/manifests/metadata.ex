defmodule LibclusterKubernetes.Manifests.Metadata do
  @moduledoc false
  # What every object has: its name, its namespace where it is known, and its labels.

  alias LibclusterKubernetes.Manifests.Yaml

  @spec new(String.t(), String.t() | nil, %{String.t() => String.t()}) :: Yaml.value()
  def new(name, namespace, labels) do
    [{"name", name}] ++ if(namespace, do: [{"namespace", namespace}], else: []) ++ [{"labels", Enum.sort(labels)}]
  end
end
