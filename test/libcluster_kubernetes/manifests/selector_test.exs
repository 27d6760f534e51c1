defmodule LibclusterKubernetes.Manifests.SelectorTest do
  use ExUnit.Case, async: true

  alias LibclusterKubernetes.Manifests.Selector
  alias LibclusterKubernetes.Options

  defp requirements(selector) do
    Selector.requirements!(Options.new!(:k8s, [kubernetes_node_basename: "app", kubernetes_selector: selector], %{}))
  end

  test "reads every form of a requirement" do
    assert requirements("a=b, c == d,e!=f , g in (h, i),j notin(k),l,!m,n=,o.p/q in (r)") == [
             {"a", :in, ["b"]},
             {"c", :in, ["d"]},
             {"e", :notin, ["f"]},
             {"g", :in, ["h", "i"]},
             {"j", :notin, ["k"]},
             {"l", :exists, []},
             {"m", :absent, []},
             {"n", :in, [""]},
             {"o.p/q", :in, ["r"]}
           ]
  end

  test "refuses what it cannot read, by its words" do
    for {selector, part} <- [
          {"version>3", "version>3"},
          {"a=b,app in shop", "app in shop"},
          {"a=b=c", "a=b=c"},
          {"a in (b", "a in (b"},
          {"a in (b) c", "a in (b) c"}
        ] do
      error = assert_raise ArgumentError, fn -> requirements(selector) end

      assert error.message =~
               "kubernetes_selector is #{inspect(selector)}, and no labels can be made for #{inspect(part)}"
    end
  end

  # As the API server does: what a label must not be, it may lack.
  test "matches labels" do
    for {selector, labels, match?} <- [
          {"a=b", %{"a" => "b"}, true},
          {"a=b", %{"a" => "c"}, false},
          {"a=b", %{}, false},
          {"a in (b, c)", %{"a" => "c"}, true},
          {"a in (b, c)", %{}, false},
          {"a!=b", %{"a" => "b"}, false},
          {"a!=b", %{}, true},
          {"a notin (b)", %{"a" => "c"}, true},
          {"a", %{"a" => ""}, true},
          {"a", %{}, false},
          {"!a", %{"a" => ""}, false},
          {"!a", %{}, true}
        ] do
      [requirement] = requirements(selector)
      assert Selector.matches?(requirement, labels) == match?, selector
    end
  end
end
