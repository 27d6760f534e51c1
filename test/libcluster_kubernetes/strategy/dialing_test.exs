defmodule LibclusterKubernetes.Strategy.DialingTest do
  use ExUnit.Case, async: true

  alias LibclusterKubernetes.Strategy.Dialing

  @tick 5_000

  # No list is the first any more, and nobody dials this node.
  defp new, do: Dialing.new(@tick) |> Dialing.due([], nil, 0) |> elem(1)

  defp due(dialing, names, now), do: Dialing.due(dialing, names, nil, now)

  test "a name is tried once at a time" do
    {["app@2"], dialing} = due(new(), ["app@2"], 0)
    assert {[], _} = due(dialing, ["app@2"], 1_000_000)
    assert {["app@2"], _} = dialing |> Dialing.connected("app@2") |> due(["app@2"], 0)
  end

  test "a VM that is still starting is tried again soon, one that stays unreachable ever more rarely" do
    {pauses, _} =
      Enum.map_reduce(1..40, {0, new()}, fn _, {now, dialing} ->
        {["app@2"], dialing} = due(dialing, ["app@2"], now)
        dialing = Dialing.failed(dialing, "app@2", now)
        next = Dialing.next_try(dialing, now)
        {[], dialing} = due(dialing, ["app@2"], next - 1)
        {next - now, {next, dialing}}
      end)

    for {pause, longest} <- Enum.zip(pauses, [50, 100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]) do
      assert pause in div(longest * 3, 4)..longest
    end

    assert List.last(pauses) in 45_000..60_000
  end

  test "failures are forgotten once connected, or no longer wanted" do
    {_, dialing} = due(new(), ["app@2"], 0)
    failed = Dialing.failed(dialing, "app@2", 0)
    assert Dialing.tried?(failed, "app@2")
    refute failed |> Dialing.connected("app@2") |> Dialing.tried?("app@2")
    {[], dialing} = due(failed, [], 0)
    refute Dialing.tried?(dialing, "app@2")
    assert Dialing.idle?(dialing)
    assert Dialing.next_try(dialing, 0) == nil
  end

  test "a failure of whoever is not wanted any more is no news" do
    {["app@2"], dialing} = due(new(), ["app@2"], 0)
    {[], dialing} = due(dialing, [], 10)
    refute Dialing.idle?(dialing)
    assert dialing |> Dialing.failed("app@2", 20) |> Dialing.idle?()
  end

  test "only a few are tried at once, those that never failed first, and the others as soon as there is room" do
    {["app@0"], dialing} = due(new(), ["app@0"], 0)
    dialing = Dialing.failed(dialing, "app@0", 0)
    names = for number <- 0..40, do: "app@#{number}"

    {some, dialing} = due(dialing, names, 1_000)
    assert length(some) in 2..40
    refute "app@0" in some
    assert {[], dialing} = due(dialing, names, 1_000)
    assert Dialing.crowded?(dialing)
    assert {[], dialing} = Dialing.refill(dialing, 1_000)

    dialing = Enum.reduce(some, dialing, &Dialing.connected(&2, &1))
    {more, dialing} = Dialing.refill(dialing, 1_001)
    assert length(more) == length(some)
    assert more -- some == more

    # The one that has failed comes last.
    dialing = Enum.reduce(more, dialing, &Dialing.connected(&2, &1))
    {rest, _} = due(dialing, ["app@0", "app@40"] -- (some ++ more), 10_000)
    assert "app@0" in rest
  end

  test "those that were left to the others and take long hold up nobody whose turn it is" do
    names = ["app@900" | for(number <- 100..199, do: "app@#{number}")]
    {["app@900"], dialing} = Dialing.due(new(), names, "app@500", 0)
    {[_, _], dialing} = Dialing.due(dialing, names, "app@500", 100_000)
    dialing = Dialing.failed(dialing, "app@900", 100_000)
    assert {["app@900"], dialing} = Dialing.due(dialing, names, "app@500", 100_050)
    assert {[], dialing} = Dialing.refill(dialing, 100_050)
    assert {[late, later], _} = Dialing.refill(dialing, 101_000)
    refute "app@900" in [late, later]
  end

  test "those that take long hold up nobody, up to a limit" do
    names = for number <- 1..1_000, do: "app@#{number}"

    {tried, _} =
      Enum.flat_map_reduce(0..100, {0, new()}, fn _, {now, dialing} ->
        {due, dialing} = due(dialing, names, now)
        {due, {Dialing.next_try(dialing, now) || now + 1_000, dialing}}
      end)

    assert length(tried) == 256
  end
end
