defmodule LibclusterKubernetes.Cluster.ApiTest do
  # What happens to the API itself, and so to everybody: one after the other, when nothing else runs.
  use LibclusterKubernetes.Test.Cluster.Case, async: false

  setup_all do
    scenario = Scenario.start!("API", replicas: 4, anywhere: true)
    copy = Path.join(System.tmp_dir!(), "#{scenario.namespace}-etcd")
    on_exit(fn -> File.rm_rf!(copy) end)
    if Abilities.has?(:save), do: Abilities.run!(:save, [copy])
    %{scenario: scenario, copy: copy, copied: System.monotonic_time(:second)}
  end

  defp step(%{scenario: scenario}, what, opts \\ [], fun) do
    Scenario.step(%{scenario | pods: replicas(scenario)}, what, opts, fun)
  end

  # So that it is seen that new pods are found.
  defp change(scenario, what) do
    pods = if scenario.pods == 4, do: 5, else: 4
    Scenario.step(scenario, what, [pods: pods], fn -> Scenario.scale(scenario, pods) end)
  end

  defp replicas(scenario), do: Kubectl.get!(Scenario.path(scenario, "deployments", "pods"))["spec"]["replicas"]

  # Whatever becomes of a test, the next finds an API.
  setup do
    on_exit(fn ->
      if Abilities.has?(:resume), do: Abilities.run!(:resume, ["kube-apiserver"])
      if Abilities.has?(:start), do: Enum.each(["etcd", "kube-apiserver"], &start/1)
    end)
  end

  defp stop(component), do: Abilities.run!(:stop, [component])

  defp start(component) do
    Abilities.run!(:start, [component])
    await_ready()
  end

  defp now, do: System.os_time(:millisecond)

  defp await_ready, do: Scenario.await("the API is ready", &Kubectl.ready?/0)

  @tag :needs_stop
  @tag :needs_start
  test "away for 60 s", context do
    step(context, "away for 60 s", fn ->
      stop("kube-apiserver")
      Scenario.last(60)
      since = now()
      start("kube-apiserver")
      Scenario.await_watches(context.scenario, "back after 60 s", since)
    end)
  end

  @tag :needs_pause
  @tag :needs_resume
  test "silent for 40 s", context do
    step(context, "silent for 40 s", fn ->
      Abilities.run!(:pause, ["kube-apiserver"])
      Scenario.last(40)
      Abilities.run!(:resume, ["kube-apiserver"])
      await_ready()
    end)
  end

  @tag :needs_stop
  @tag :needs_start
  test "without etcd for 30 s", context do
    step(context, "without etcd for 30 s", fn ->
      stop("etcd")
      Scenario.last(30)
      start("etcd")
    end)
  end

  @tag :needs_stop
  @tag :needs_start
  test "restarted five times", context do
    step(context, "restarted five times", fn ->
      for _ <- 1..5 do
        stop("kube-apiserver")
        since = now()
        start("kube-apiserver")
        since
      end
      |> List.last()
      |> then(&Scenario.await_watches(context.scenario, "restarted five times", &1))
    end)
    |> change("and then a change")
  end

  @tag :needs_replace_ca
  test "with a certificate of a new CA, which pods hear of later", context do
    step(context, "a new CA", fn ->
      since = now()
      Abilities.run!(:replace_ca)
      Kubectl.restart!()
      await_ready()
      # It is the kubelet that brings it to the pods, within two minutes.
      Scenario.await_watches(context.scenario, "a new CA", since)
    end)
    |> change("a new CA, and then a change")
  end

  @tag :needs_save
  @tag :needs_restore
  test "with an etcd of two minutes before", context do
    %{scenario: scenario, copy: copy, copied: copied} = context
    scenario = %{scenario | pods: replicas(scenario)}
    replaced = Scenario.some(scenario, 1)

    # What the copy does not know: a pod in the place of another, and another number of them.
    Scenario.step(scenario, "what the copy does not know", [pods: 6], fn ->
      for pod <- replaced, do: Kubectl.delete!(Scenario.path(scenario, "pods", pod.name))
      Scenario.scale(scenario, 6)
      Scenario.last(max(0, copied + 120 - System.monotonic_time(:second)))
    end)

    # Whoever is unseen for longer than the silence of a stream and a list is found to be.
    Scenario.step(scenario, "etcd of before", [pods: 4, limit: 150], fn ->
      Abilities.run!(:restore, [copy])
      await_ready()
    end)
  end
end
