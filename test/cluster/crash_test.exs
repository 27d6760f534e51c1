defmodule LibclusterKubernetes.Cluster.CrashTest do
  # Processes see each other, so that a command in the pod can stop and kill the VM.
  use LibclusterKubernetes.Test.Cluster.Case, async: true

  setup_all do
    %{scenario: Scenario.start!("crash", replicas: 3, spec: %{shareProcessNamespace: true})}
  end

  test "a pod that is deleted by force", %{scenario: scenario} do
    killed = Scenario.some(scenario, 1)
    names = Enum.map(killed, & &1.name)
    gone? = fn pods -> Enum.all?(pods, &(&1.gone? or &1.name not in names)) end

    Scenario.step(scenario, "one is deleted by force", [until: gone?], fn ->
      Kubectl.run!(["-n", scenario.namespace, "delete", "pod", "--force", "--grace-period=0", "--wait=false" | names])
    end)
  end

  test "a container that crashes, and comes back with its address", %{scenario: scenario} do
    crashed = Scenario.some(scenario, 1)
    names = Enum.map(crashed, & &1.name)
    back? = fn pods -> Enum.any?(pods, &(&1.name in names and &1.restarts > 0 and Pod.stays?(&1))) end

    Scenario.step(scenario, "one crashes", [until: back?], fn ->
      # The command ends with the container.
      for name <- names, do: Kubectl.run(["-n", scenario.namespace, "exec", name, "--" | vm("kill -KILL $vm")])
    end)
  end

  test "a VM that stands still for 20 s", %{scenario: scenario} do
    Scenario.step(scenario, "one stands still for 20 s", [], fn ->
      scenario
      |> Scenario.some(1)
      |> Enum.map(fn pod ->
        command = vm("kill -STOP $vm; sleep 20; kill -CONT $vm")
        Task.async(fn -> Kubectl.exec!(scenario.namespace, pod.name, command) end)
      end)
      |> Task.await_many(60_000)
    end)
  end

  defp vm(command), do: ["sh", "-c", "vm=$(pidof beam.smp); #{command}"]
end
