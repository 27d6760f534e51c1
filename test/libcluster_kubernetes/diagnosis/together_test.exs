defmodule LibclusterKubernetes.Diagnosis.TogetherTest do
  use ExUnit.Case, async: true

  alias LibclusterKubernetes.Diagnosis.{Check, Surroundings, Together}

  @node "web@10.0.0.1"

  defp statuses(names, connected) do
    checks = for name <- names, do: Check.failed(name, "wrong", "Mend it.")
    facts = %{snapshot: {:ok, %{ready: ["app@10.0.0.2", "app@10.0.0.3"]}}}

    checks
    |> Together.weigh(%Surroundings{node: @node, connected: connected}, facts)
    |> Enum.map(& &1.status)
  end

  test "a name is no cause where all are connected, and what follows from it is none at all" do
    assert statuses([:node_name, :itself], ["app@10.0.0.2", "app@10.0.0.3", "x@y"]) == [:warning, :warning]
    assert statuses([:node_name, :itself], ["app@10.0.0.2"]) == [:failed, :skipped]
    assert statuses([:itself], ["app@10.0.0.2"]) == [:failed]
  end

  test "three files that are all missing are one fact" do
    assert statuses([:token, :ca, :namespace], []) == [:failed, :skipped, :skipped]
    assert statuses([:token, :ca], []) == [:failed, :failed]
  end
end
