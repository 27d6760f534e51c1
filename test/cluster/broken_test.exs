defmodule LibclusterKubernetes.Cluster.BrokenTest do
  # What is most often wrong with a new set-up, each in a pod of its own beside members that are whole: its log and diagnose
  # name the cause first and say nothing false after it, and what diagnose prints to be applied mends it as it stands.
  use LibclusterKubernetes.Test.Cluster.Case, async: true

  alias LibclusterKubernetes.Test.Cluster.{Release, Said}
  alias LibclusterKubernetes.Test.Guide

  # A release without rel/env.sh.eex, on the port of the whole ones.
  @port App.dist_port(:pods)
  @unnamed %{
    "env.sh" => "",
    "vm.args" => "-start_epmd false -erl_epmd_port #{@port}\n",
    "remote.vm.args" => "-start_epmd false -erl_epmd_port #{@port} -dist_listen false\n"
  }

  @unsupervised """
  defmodule HelloCluster.Application do
    use Application
    def start(_type, _args), do: Supervisor.start_link([{HelloCluster.Greeter, timestamps: true}], strategy: :one_for_one)
  end
  """

  # By the name of the pod: the warnings in its log, of which the first is there first; how the cause begins; and what diagnose
  # has that is not ok.
  said = [
    {"no-binding", ["cannot list pods in namespace ", "still no answer, now: cannot list pods in namespace "],
     "may_list: cannot list pods in namespace ", ["may_list", "may_watch"]},
    {"other-cookie", ["still not connected to: hello_cluster@"], "member: refuses the cookie of this node: ",
     ["member"]},
    {"short-name",
     ["this node has the short name hello_cluster@short-name, ", "still not connected to: hello_cluster@"],
     "distribution: hello_cluster@short-name is a short name: ", ["distribution"]},
    {"empty-service",
     [
       ~s(nobody is found: no endpointslices in the namespace of this pod match kubernetes_selector "member=empty-service", ) <>
         "or the spec.selector of the Service that those are of matches no pod. "
     ], ~s(objects: 1 endpointslices match kubernetes_selector "member=empty-service": ), ["objects"]},
    {"wrong-selector",
     [~s(nobody is found: no pods in the namespace of this pod match kubernetes_selector "member=pod", )],
     "objects: no pods in namespace ", ["objects"]},
    {"wrong-namespace", ["still not connected to: hello_cluster@"], "node_name: hello_cluster@",
     ["node_name", "member"]},
    {"no-supervisor", ["this topology is configured, but no process runs it, "],
     "process: no process runs topology :hello_cluster, though it is configured", ["process", "member"]}
  ]

  setup_all do
    scenario = Scenario.new!("broken", [:pods], 2)
    Scenario.start(scenario, replicas: 2)
    Kubectl.apply!(scenario.namespace, broken())
    %{scenario: scenario}
  end

  defp broken do
    [{_, unsupervised}] = Code.compile_string(@unsupervised)

    dns = [
      labels: %{member: "dns"},
      env: %{"HELLO_MODE" => "dns", "HELLO_SELECTOR" => "member=dns", "NAMESPACE" => "default"}
    ]

    [
      %{apiVersion: "v1", kind: "ServiceAccount", metadata: %{name: "stranger"}},
      %{
        apiVersion: "v1",
        kind: "Service",
        metadata: %{name: "empty-service", labels: %{member: "empty-service"}},
        spec: %{clusterIP: "None", selector: %{member: "nobody"}}
      },
      pod("no-binding", spec: %{serviceAccountName: "stranger"}),
      pod("other-cookie", env: %{"RELEASE_COOKIE" => "another"}),
      pod("short-name", [], @unnamed),
      pod("long-name", [env: %{"RELEASE_NODE" => "hello_cluster@$(POD_IP)"}], @unnamed),
      App.account(:endpoint_slices),
      App.pod(:endpoint_slices, "empty-service", env: %{"HELLO_SELECTOR" => "member=empty-service"}),
      pod("wrong-selector", env: %{"HELLO_SELECTOR" => "member=pod"}),
      # Whose nodes all call themselves so.
      pod("wrong-namespace", dns),
      pod("wrong-namespace-too", dns),
      pod("no-supervisor", [], %{"Elixir.HelloCluster.Application.beam" => unsupervised})
    ]
    |> List.flatten()
  end

  # It finds itself and those that are whole, and none of these finds another that is broken.
  defp pod(name, opts) do
    env = Map.merge(%{"HELLO_SELECTOR" => "member in (pods, #{name})"}, Keyword.get(opts, :env, %{}))
    App.pod(:pods, name, [labels: %{member: name}] |> Keyword.merge(opts) |> Keyword.put(:env, env))
  end

  defp pod(name, opts, files) do
    {config_map, over} = Release.pod(name, files)
    [config_map, pod(name, opts ++ over)]
  end

  for {name, log, cause, wrong} <- said do
    @tag pod: name, log: log, cause: cause, wrong: wrong
    test "#{name}: the log and diagnose name it first, and nothing false after it", context do
      %{scenario: scenario, pod: pod, log: [first | _] = log} = context
      warnings = scenario |> Said.log(pod, first) |> Said.warnings()
      assert String.starts_with?(hd(warnings), first)
      for warning <- warnings, do: assert(Enum.any?(log, &String.starts_with?(warning, &1)), warning)

      diagnosis = Said.diagnosis(scenario, pod)
      assert String.starts_with?(Said.cause(diagnosis), "Cause: " <> context.cause)
      assert Said.wrong(diagnosis) == context.wrong, diagnosis
      assert fits?(diagnosis), diagnosis
    end
  end

  test "the log says why members are out of reach", %{scenario: scenario} do
    assert Said.log(scenario, "other-cookie", "still not") =~ "Most likely: refuses the cookie of this node: "
    assert Said.log(scenario, "wrong-namespace", "still not") =~ "Most likely: the node there has another name: "

    assert Said.cause(Said.diagnosis(scenario, "wrong-namespace")) =~
             ~s("#{scenario.namespace}", but its namespace is "default")
  end

  test "the role that diagnose prints, pasted into a shell, is all that was missing", %{scenario: scenario} do
    [_, pasted] = scenario |> Said.diagnosis("no-binding") |> String.split(", to be pasted into a shell:\n")
    assert {said, 0} = System.cmd("sh", ["-c", pasted], stderr_to_stdout: true)
    assert [_role, _binding] = Regex.scan(~r/ created$/m, said)
    Said.log(scenario, "no-binding", "(3 in the cluster)")
  end

  test "the lines for rel/env.sh.eex that diagnose prints, put there, name a node that had a short name", context do
    %{scenario: scenario} = context
    diagnosis = Said.diagnosis(scenario, "short-name")
    Kubectl.apply!(scenario.namespace, pod("renamed", [], %{@unnamed | "env.sh" => env_sh(diagnosis)}))
    Said.log(scenario, "renamed", "(3 in the cluster)")
  end

  test "a node that cannot start: its log is in the guide, diagnose runs in a copy, and its line mends it", context do
    %{scenario: scenario} = context
    log = Said.log(scenario, "long-name", "Kernel pid terminated")
    guide = Guide.read!("guides/operating.md")
    assert log =~ "Can't set short node name!\nPlease check your configuration"
    assert guide =~ "`Can't set short node name! Please check your configuration`"
    assert log |> String.split("Kernel pid terminated") |> List.last() =~ "nodistribution"
    assert guide =~ "`Kernel pid terminated (application_controller) (… nodistribution …)`"

    diagnosis = Said.diagnosis_of_copy(scenario, "long-name")

    assert Said.cause(diagnosis) =~
             "Cause: distribution: RELEASE_DISTRIBUTION is sname, but RELEASE_NODE is hello_cluster@10."

    assert Said.wrong(diagnosis) == ["distribution"]
    assert fits?(diagnosis), diagnosis

    opts = [env: %{"RELEASE_NODE" => "hello_cluster@$(POD_IP)"}]
    Kubectl.apply!(scenario.namespace, pod("started", opts, %{@unnamed | "env.sh" => env_sh(diagnosis)}))
    Said.log(scenario, "started", "(3 in the cluster)")
  end

  defp fits?(diagnosis), do: diagnosis |> String.split("\n") |> Enum.all?(&(String.length(&1) <= 80))

  # As they stand, with their indent.
  defp env_sh(diagnosis) do
    [_, lines] = String.split(diagnosis, "In rel/env.sh.eex of the release:\n")
    [lines, _] = String.split(lines, ~r/^ +or, where that file/m)
    lines
  end
end
