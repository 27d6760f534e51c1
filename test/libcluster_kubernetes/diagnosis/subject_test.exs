defmodule LibclusterKubernetes.Diagnosis.SubjectTest do
  use ExUnit.Case, async: true

  alias LibclusterKubernetes.Diagnosis
  alias LibclusterKubernetes.Diagnosis.{Subject, Surroundings}

  @config [kubernetes_node_basename: "app", kubernetes_selector: "app=app"]

  test "options that the mode does not use are a warning" do
    assert %{options: %{values: %{mode: :ip}}, check: check} =
             Subject.check(:config, @config ++ [kubernetes_service_name: "web"])

    assert %{name: :options, status: :warning} = check
    assert check.found =~ ~s(the option kubernetes_service_name is "web", but mode :ip does not use it)
  end

  test "a topology that is configured and that nobody runs is the cause, but in the VM of eval" do
    node = %Surroundings{node: "app@10.0.0.1"}
    assert Subject.running(:k8s, node) == []
    assert [%{name: :process, status: :failed, remedy: remedy}] = Subject.running(:k8s, %{node | process: :missing})
    assert remedy =~ "{Cluster.Supervisor, [topologies, "

    eval = %{node | process: :missing, release: %{command: "eval", distribution: "sname", node: ""}}
    assert [%{name: :process, status: :skipped}] = Subject.running(:k8s, eval)
  end

  test "where this is no pod, that is all there is to say" do
    config = @config ++ [kubernetes_service_account_path: "/nowhere", kubernetes_master: "https://127.0.0.1:1"]
    subject = Subject.check(:config, config)
    laptop = %Surroundings{node: "nonode@nohost", pod?: false}
    assert %{checks: [%{status: :ok}, pod], cause: pod} = Diagnosis.run(:config, subject, laptop)
    assert %{name: :pod, found: "this is no pod: KUBERNETES_SERVICE_HOST is not set" <> _} = pod

    # A pod without an account: one fact of three files.
    failed =
      for %{status: :failed} = check <- Diagnosis.run(:config, subject, %{laptop | pod?: true}).checks, do: check.name

    assert failed == [:distribution, :token, :tcp]
  end

  test "a required option that is nil is the cause, and nothing is asked" do
    for key <- [:kubernetes_node_basename, :kubernetes_selector] do
      subject = Subject.check(:config, Keyword.put(@config, key, nil))
      assert %{cause: cause, checks: [cause]} = Diagnosis.run(:config, subject, %Surroundings{node: "app@10.0.0.1"})
      assert %{name: :options, status: :failed} = cause
      assert cause.found =~ "#{key} is nil, so that this topology asks for nothing and finds nobody"
      assert cause.remedy =~ "environment variable"
    end
  end
end
