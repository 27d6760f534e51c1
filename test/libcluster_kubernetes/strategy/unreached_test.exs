defmodule LibclusterKubernetes.Strategy.UnreachedTest do
  use ExUnit.Case, async: true

  alias LibclusterKubernetes.Strategy.{Dialing, Unreached}

  defp alone, do: true
  defp in_company, do: false

  # Each of these was tried in vain, and is missed since 0.
  defp missed(names) do
    {_due, dialing} = Dialing.due(Dialing.new(5_000), names, nil, 0)
    Enum.reduce(names, dialing, &Dialing.failed(&2, &1, 1))
  end

  test "a member whose VM may still be starting is no warning, and one that is out of reach for longer is one warning" do
    dialing = missed(["app@2"])
    unreached = Unreached.new()
    refute Unreached.aloud?(unreached, dialing, "app@2", &in_company/0, 14_999)
    assert Unreached.aloud?(unreached, dialing, "app@2", &in_company/0, 15_000)
    refute unreached |> Unreached.warned("app@2") |> Unreached.aloud?(dialing, "app@2", &in_company/0, 20_000)
  end

  test "where nobody can be connected to, one line names all of them, and libcluster's do not" do
    dialing = missed(["app@3", "app@2"])
    assert {[], unreached} = Unreached.to_name(Unreached.new(), dialing, &alone/0, 14_999)
    refute Unreached.aloud?(unreached, dialing, "app@2", &alone/0, 15_000)
    assert {["app@2", "app@3"], unreached} = Unreached.to_name(unreached, dialing, &alone/0, 15_000)
    assert {[], unreached} = Unreached.to_name(unreached, dialing, &alone/0, 100_000)
    refute Unreached.aloud?(unreached, dialing, "app@2", &in_company/0, 100_000)
  end

  test "one that stays away for a minute while others are there is named, with whoever is away, too" do
    {_due, dialing} = Dialing.due(missed(["app@2"]), ["app@2", "app@3", "app@4"], nil, 40_000)
    dialing = Enum.reduce(["app@3", "app@4"], dialing, &Dialing.failed(&2, &1, 50_000))
    {_due, dialing} = Dialing.due(dialing, ["app@2", "app@3", "app@4", "app@5"], nil, 55_000)
    assert {[], unreached} = Unreached.to_name(Unreached.new(), dialing, &in_company/0, 59_999)
    assert {["app@2", "app@3", "app@4"], unreached} = Unreached.to_name(unreached, dialing, &in_company/0, 60_000)
    # The youngest was never tried.
    assert {[], _} = Unreached.to_name(unreached, dialing, &in_company/0, 200_000)
  end

  test "that it is connected is said of whom it was said that it cannot be reached, once, and of nobody else" do
    dialing = missed(["app@2", "app@3"])
    unreached = Unreached.warned(Unreached.new(), "app@2")
    connected = MapSet.new(["app@2", "app@3"])
    assert Unreached.found(unreached, connected, dialing) == ["app@2"]
    {[], dialing} = Dialing.due(dialing, [], nil, 30_000)
    assert unreached |> Unreached.keep(dialing) |> Unreached.found(connected, dialing) == []
  end

  test "a try that runs says it itself when it succeeds" do
    {["app@2"], dialing} = Dialing.due(Dialing.new(5_000), ["app@2"], nil, 0)
    unreached = Unreached.warned(Unreached.new(), "app@2")
    assert Unreached.found(unreached, MapSet.new(["app@2"]), dialing) == []
  end

  test "whoever is no longer wanted is forgotten, and begins anew" do
    {["app@2"], unreached} = Unreached.to_name(Unreached.new(), missed(["app@2"]), &alone/0, 20_000)
    {[], dialing} = Dialing.due(missed(["app@2"]), [], nil, 30_000)
    unreached = Unreached.keep(unreached, dialing)
    assert {["app@2"], _} = Unreached.to_name(unreached, missed(["app@2"]), &alone/0, 20_000)
  end
end
