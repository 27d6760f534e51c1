defmodule LibclusterKubernetes.Diagnosis.SubjectTest do
  use ExUnit.Case, async: true

  alias LibclusterKubernetes.Diagnosis
  alias LibclusterKubernetes.Diagnosis.{Subject, Surroundings}

  @config [kubernetes_node_basename: "app", kubernetes_selector: "app=app"]

  test "options that the mode does not use are a warning" do
    assert {%{values: %{mode: :ip}}, check} = Subject.check(:config, @config ++ [kubernetes_service_name: "web"])
    assert %{name: :options, status: :warning} = check
    assert check.found =~ ~s(the option kubernetes_service_name is "web", but mode :ip does not use it)
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
