defmodule LibclusterKubernetes.Strategy.DialingTest do
  use ExUnit.Case, async: true

  alias LibclusterKubernetes.Strategy.Dialing

  test "a name is tried once at a time" do
    {["app@2"], dialing} = Dialing.due(Dialing.new(), ["app@2"], 0)
    assert {[], _} = Dialing.due(dialing, ["app@2"], 1_000_000)
    assert {["app@2"], _} = dialing |> Dialing.connected("app@2") |> Dialing.due(["app@2"], 0)
  end

  test "an unreachable name is tried ever more rarely, up to once a minute" do
    {pauses, _} =
      Enum.map_reduce(1..9, {0, Dialing.new()}, fn _, {now, dialing} ->
        {["app@2"], dialing} = Dialing.due(dialing, ["app@2"], now)
        dialing = Dialing.failed(dialing, "app@2", now)
        retry_at = Dialing.next_retry(dialing, now)
        {[], dialing} = Dialing.due(dialing, ["app@2"], retry_at - 1)
        {retry_at - now, {retry_at, dialing}}
      end)

    assert pauses == [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000]
  end

  test "failures are forgotten once connected, or no longer wanted" do
    {_, dialing} = Dialing.due(Dialing.new(), ["app@2"], 0)
    failed = Dialing.failed(dialing, "app@2", 0)
    assert Dialing.connected(failed, "app@2").failures == %{}
    assert {[], %{failures: failures}} = Dialing.due(failed, [], 0)
    assert failures == %{}
    assert Dialing.next_retry(failed, 1_000) == nil
  end

  test "only so many are tried at once, those that never failed first, and the others when there is room" do
    {["app@0"], dialing} = Dialing.due(Dialing.new(), ["app@0"], 0)
    dialing = Dialing.failed(dialing, "app@0", 0)
    names = for number <- 0..256, do: "app@#{number}"

    {due, dialing} = Dialing.due(dialing, names, 1_000)
    assert length(due) == 256
    refute "app@0" in due
    assert {[], dialing} = Dialing.due(dialing, names, 1_000)
    assert Dialing.next_retry(dialing, 1_000) == nil

    dialing = Dialing.connected(dialing, "app@256")
    soon = Dialing.next_retry(dialing, 1_000)
    assert soon in 1_001..1_999
    assert {["app@0"], dialing} = Dialing.due(dialing, names -- ["app@256"], soon)
    assert Dialing.next_retry(dialing, soon) == nil
  end
end
