defmodule LibclusterKubernetes.Strategy.NoticesTest do
  use ExUnit.Case, async: true

  alias LibclusterKubernetes.Strategy.Notices

  @counts %{ready: 1, not_ready: 0, draining: 0}

  defp new_ones(said \\ MapSet.new(), changes, known_members? \\ false) do
    answer = Map.merge(%{dropped: [], warnings: []}, Map.drop(changes, Map.keys(@counts)))
    counts = Map.merge(@counts, Map.take(changes, Map.keys(@counts)))
    Notices.new_ones(said, answer, counts, known_members?)
  end

  test "what cannot be named is said once, not again when only its count changes" do
    dropped = &%{dropped: [%{reason: "no valid IP address", count: &1, example: "address none"}]}
    {[text], said} = new_ones(dropped.(3))
    assert text =~ "3 of the addresses"
    assert text =~ "no valid IP address"
    assert {[], said} = new_ones(said, dropped.(4))
    assert {[], said} = new_ones(said, %{})
    assert {[_], _} = new_ones(said, dropped.(1))
  end

  test "an empty answer is explained by what it most often is" do
    assert {[text], _} = new_ones(MapSet.new(), %{ready: 0}, true)
    assert text =~ "kubernetes_selector no longer matches"
    assert {["nothing matches" <> _], _} = new_ones(%{ready: 0})
  end

  test "an answer in which nobody is ready points to the option" do
    assert {[text], _} = new_ones(%{ready: 0, not_ready: 1})
    assert text =~ "kubernetes_include_not_ready: true"
  end

  test "warnings of the objects are passed on" do
    assert {["over capacity"], _} = new_ones(%{warnings: ["over capacity"]})
  end
end
