defmodule LibclusterKubernetes.Cluster.LinksTest do
  # What the other tests rely on.
  use LibclusterKubernetes.Test.Cluster.Case, async: true

  setup_all do
    %{scenario: Scenario.start!("links", replicas: 2)}
  end

  test "a link that is lost is found, though it comes back", %{scenario: scenario} do
    cut = fn ->
      [pod | _] = Scenario.some(scenario, 1)
      Kubectl.exec!(scenario.namespace, pod.name, ["/app/bin/hello_cluster", "rpc", "Node.disconnect(hd(Node.list()))"])
    end

    error = assert_raise ExUnit.AssertionError, fn -> Scenario.step(scenario, "one is cut", [hold: 3], cut) end
    assert error.message =~ ~r/^endpoints: \d+ times a link was lost though both ends lived on/m
    refute error.message =~ ~r/^pods: /m
  end

  test "a pod that is not connected is found", %{scenario: scenario} do
    stranger = fn ->
      Kubectl.apply!(scenario.namespace, [App.pod(:pods, "stranger", env: %{"RELEASE_COOKIE" => "another"})])
      Scenario.await("it runs", fn -> length(Scenario.some(scenario, 3)) == 7 end)
    end

    error =
      assert_raise ExUnit.AssertionError, fn ->
        Scenario.step(scenario, "a stranger", [pods: 3, sources: [:pods], limit: 5], stranger)
      end

    assert error.message =~ "not connected: "
  end
end
