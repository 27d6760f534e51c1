defmodule LibclusterKubernetes.Test.Cluster.Case do
  @moduledoc "A module of tests on real pods: `bin/test-cluster` runs them."

  defmacro __using__(opts) do
    quote do
      use ExUnit.Case, unquote(opts)

      alias LibclusterKubernetes.Test.Cluster.{Abilities, App, Kubectl, Pod, Scenario}

      @moduletag :cluster
      @moduletag timeout: 1_800_000
    end
  end
end
