defmodule LibclusterKubernetes.Diagnosis.TableTest do
  use ExUnit.Case, async: true

  alias LibclusterKubernetes.Diagnosis
  alias LibclusterKubernetes.Diagnosis.{Check, Surroundings}

  @surroundings %Surroundings{node: "app@10.0.0.1"}

  test "the cause first, then the checks with what to change" do
    failed = Check.failed(:options, "it is wrong", "Do this:\n  key: value")
    diagnosis = Diagnosis.run(:k8s, {nil, failed}, @surroundings)

    assert to_string(diagnosis) == """
           Topology :k8s on app@10.0.0.1
           Cause: options: it is wrong

             FAILED   options      it is wrong
                                   -> Do this:
                                        key: value\
           """

    assert inspect(diagnosis) == "#LibclusterKubernetes.Diagnosis<\n#{diagnosis}\n>"
  end

  test "long lines are broken between words, and YAML is left whole" do
    yaml = "  - " <> String.duplicate("long ", 40)
    failed = Check.failed(:options, String.duplicate("word ", 50), "Apply:\n" <> yaml)
    text = to_string(Diagnosis.run(:k8s, {nil, failed}, @surroundings))
    {[whole], broken} = text |> String.split("\n") |> Enum.split_with(&(&1 =~ "long"))
    assert whole =~ yaml
    assert Enum.all?(broken, &(String.length(&1) < 130))
    assert length(broken) > 5
  end

  test "warnings and what was skipped are no cause" do
    warning = Check.warning(:options, "hm", "Look.")
    assert %{cause: nil} = diagnosis = Diagnosis.run(:k8s, {nil, warning}, @surroundings)
    assert to_string(diagnosis) =~ "No check failed."
  end
end
