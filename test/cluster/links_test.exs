defmodule LibclusterKubernetes.Cluster.LinksTest do
  # What the other tests rely on.
  use LibclusterKubernetes.Test.Cluster.Case, async: true

  test "a link that is lost is found, though it comes back" do
    scenario = Scenario.start!("one link")

    cut = fn ->
      [pod | _] = Scenario.some(scenario, 1)
      Kubectl.exec!(scenario.namespace, pod.name, ["/app/bin/hello_cluster", "rpc", "Node.disconnect(hd(Node.list()))"])
    end

    error = assert_raise ExUnit.AssertionError, fn -> Scenario.step(scenario, "cut", [hold: 10], cut) end
    assert error.message =~ ~r/endpoints: [1-9]\d* times a link was lost though both ends lived on/
    refute error.message =~ ~r/^pods: /m
  end

  test "a pod that is not connected is found" do
    scenario = Scenario.start!("another cookie")

    stranger = fn ->
      pod = App.pod(:pods, "stranger", env: %{"RELEASE_COOKIE" => "another"})
      Kubectl.apply!(scenario.namespace, [pod])
    end

    error =
      assert_raise ExUnit.AssertionError, fn ->
        Scenario.step(scenario, "a stranger", [pods: 4, sources: [:pods], limit: 15], stranger)
      end

    assert error.message =~ "not connected: "
  end
end
