defmodule LibclusterKubernetes.ManifestsTest do
  # What concerns all that is printed.
  use ExUnit.Case, async: true

  import LibclusterKubernetes.Test.Printed

  test "writes a namespace where one is known" do
    refute yaml([topology([])], image: "i") =~ ~r/^ +namespace:/m

    for options <- [[namespace: "shop"], []], config = [kubernetes_namespace: "shop"] do
      for object <- objects([topology(config)], [image: "i"] ++ options) do
        assert object["metadata"]["namespace"] == "shop"
      end
    end
  end

  test "refuses what an environment variable gives in pods only" do
    for key <- [:kubernetes_selector, :kubernetes_node_basename] do
      assert_raise ArgumentError,
                   ~r/topology :k8s has no #{key} here: where it comes from an environment variable/,
                   fn ->
                     yaml([with_value(topology([]), key, nil)])
                   end
    end
  end
end
