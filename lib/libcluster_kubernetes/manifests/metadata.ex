defmodule LibclusterKubernetes.Manifests.Metadata do
  @moduledoc false
  # What every object has: its name and, where it is known, its namespace.

  alias LibclusterKubernetes.Manifests.Yaml

  @spec new(String.t(), String.t() | nil) :: Yaml.value()
  def new(name, nil), do: [{"name", name}]
  def new(name, namespace), do: [{"name", name}, {"namespace", namespace}]
end
