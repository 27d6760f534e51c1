defmodule LibclusterKubernetes.Strategy.NoticesTest do
  use ExUnit.Case, async: true

  alias LibclusterKubernetes.Options
  alias LibclusterKubernetes.Strategy.Notices

  @counts %{ready: 1, not_ready: 0, draining: 0}

  defp heard(notices \\ Notices.new(), changes, known_members? \\ false, now \\ 0, config \\ []) do
    answer = Map.merge(%{dropped: [], warnings: []}, Map.drop(changes, Map.keys(@counts)))
    counts = Map.merge(@counts, Map.take(changes, Map.keys(@counts)))
    Notices.heard(notices, answer, counts, known_members?, options(config), now)
  end

  defp options(config) do
    Options.new!(:k8s, [kubernetes_node_basename: "app", kubernetes_selector: "app=a"] ++ config, %{})
  end

  defp nobody(config) do
    {[], notices} = heard(Notices.new(), %{ready: 0}, false, 0, config)
    {[text], _} = Notices.due(notices, 15_000)
    text
  end

  test "what cannot be named is said once, not again when only its count changes" do
    dropped = &%{dropped: [%{reason: "no valid IP address", count: &1, example: "address none"}]}
    {[text], said} = heard(dropped.(3))
    assert text =~ "3 of the addresses"
    assert text =~ "no valid IP address"
    assert {[], said} = heard(said, dropped.(4))
    assert {[], said} = heard(said, %{})
    assert {[_], _} = heard(said, dropped.(1))
  end

  test "an empty answer is explained by what it most often is" do
    assert {[text], _} = heard(Notices.new(), %{ready: 0}, true)
    assert text =~ "kubernetes_selector no longer matches"
  end

  test "where nobody is found for longer than a start, it says what was asked for, and what else it may be" do
    text = nobody([])

    assert text =~
             ~s(no endpoints in the namespace of this pod match kubernetes_selector "app=a", or the spec.selector of)

    assert text =~ "LibclusterKubernetes.diagnose(:k8s)"

    assert nobody(kubernetes_ip_lookup_mode: :endpoint_slices, kubernetes_namespace: :all) =~
             "no endpointslices in any namespace"

    pods = [kubernetes_ip_lookup_mode: :pods, kubernetes_namespace: "prod", kubernetes_field_selector: "a=b"]

    assert nobody(pods) =~
             ~s(no pods in namespace "prod" match kubernetes_selector "app=a" and kubernetes_field_selector "a=b", or those)
  end

  test "an answer that is empty for a moment, as at a first start, is no news, nor is one that was said to have become empty" do
    {[], notices} = heard(%{ready: 0})
    assert {[], notices} = heard(notices, %{}, false, 5_000)
    assert {[], _} = Notices.due(notices, 20_000)
    {[_], notices} = heard(Notices.new(), %{ready: 0}, true)
    assert {[], notices} = heard(notices, %{ready: 0}, false, 5_000)
    assert {[], _} = Notices.due(notices, 60_000)
  end

  test "where nobody can be named, the reason of that is enough" do
    {[_], notices} = heard(%{ready: 0, dropped: [%{reason: "no valid IP address", count: 1, example: "address none"}]})
    assert {[], _} = Notices.due(notices, 60_000)
  end

  test "an answer in which nobody is ready points to the option, once that has lasted for longer than a start" do
    none_ready = %{ready: 0, not_ready: 1}
    {[], notices} = heard(none_ready)
    assert {[], notices} = heard(notices, %{none_ready | not_ready: 2}, false, 10_000)
    assert {[], notices} = Notices.due(notices, 14_999)
    assert {[text], notices} = Notices.due(notices, 15_000)
    assert text =~ "2 found"
    assert text =~ "kubernetes_include_not_ready: true"
    assert {[], notices} = Notices.due(notices, 60_000)
    assert {[], _} = heard(notices, none_ready, false, 61_000)
  end

  test "a start in which somebody becomes ready in time is no news, and the next one begins anew" do
    {[], notices} = heard(%{ready: 0, not_ready: 1})
    assert {[], notices} = heard(notices, %{}, false, 5_000)
    assert {[], notices} = Notices.due(notices, 20_000)
    assert {[], notices} = heard(notices, %{ready: 0, not_ready: 1}, false, 21_000)
    assert {[], notices} = Notices.due(notices, 30_000)
    assert {[_], _} = Notices.due(notices, 36_000)
  end

  test "warnings of the objects are passed on" do
    assert {["over capacity"], _} = heard(%{warnings: ["over capacity"]})
  end
end
