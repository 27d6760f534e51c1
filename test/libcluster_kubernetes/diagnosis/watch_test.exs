defmodule LibclusterKubernetes.Diagnosis.WatchTest do
  use ExUnit.Case, async: true

  alias LibclusterKubernetes.Diagnosis.{Surroundings, Watch}
  alias LibclusterKubernetes.Options

  @ended {:error, %{kind: :malformed, message: "the stream ended at once and told nothing", advice: nil}}
  @forbidden {:error, %{kind: :forbidden, message: "may not", advice: "Bind a Role"}}
  @since ~U[2026-11-28 12:00:00Z]

  defp check(watch, more \\ []) do
    required = [kubernetes_node_basename: "app", kubernetes_selector: "a=b", polling_interval: 5_000]
    options = Options.new!(:k8s, required ++ (more[:config] || []), %{})
    surroundings = %Surroundings{node: "app@10.0.0.1", process: more[:process]}
    Watch.check(options, surroundings, %{watch: watch, may_watch: {:ok, %{allowed: more[:allowed] != false}}})
  end

  test "what was seen of a watch" do
    assert %{status: :ok} = check({:ok, true})
    assert %{status: :skipped} = check(nil)
    assert %{status: :skipped} = check(nil, config: [kubernetes_watch: false])
    assert %{status: :warning, found: found, remedy: remedy} = check(@ended)
    assert found =~ "asked every 5000 ms instead: the stream ended at once"
    assert remedy =~ "between this node and the API server"
    assert %{status: :warning, remedy: "Bind a Role"} = check(@forbidden)
    assert %{status: :skipped, found: "not allowed: see may_watch"} = check(@forbidden, allowed: false)
  end

  test "one that opens, and does not last by what the topology has seen" do
    assert %{status: :ok} = check({:ok, true}, process: %{mode: :watch, since: @since})
    assert %{status: :warning, found: found} = check({:ok, true}, process: %{mode: :poll, since: @since})
    assert found =~ "polls since 2026-11-28T12:00:00Z"
  end
end
