defmodule LibclusterKubernetes.Strategy.ActivityTest do
  use ExUnit.Case, async: true

  alias LibclusterKubernetes.Strategy.Activity

  defp listed(activity, at, kind \\ nil, watch? \\ true) do
    Activity.listed(activity, %{kind: kind, requests: 1}, watch?, at)
  end

  defp at(seconds), do: DateTime.from_unix!(seconds)

  test "a list alone does not tell yet whether a watch follows" do
    assert %{mode: :starting, since: nil} = listed(%Activity{}, at(1))
    assert %{mode: :watch, since: since} = %Activity{} |> listed(at(1)) |> Activity.watching(at(2))
    assert since == at(2)
  end

  test "one watch after the other, also with a list between them, is the same mode since the first" do
    activity = %Activity{} |> listed(at(1)) |> Activity.watching(at(2))
    activity = activity |> Activity.watched(%{requests: 2}) |> listed(at(3)) |> Activity.watching(at(4))
    assert {activity.mode, activity.since, activity.last_success} == {:watch, at(2), at(4)}
  end

  test "lists without a watch between them are polls, until a watch is open again" do
    activity =
      %Activity{} |> listed(at(1)) |> Activity.watching(at(2)) |> listed(at(3)) |> listed(at(4)) |> listed(at(9))

    assert {activity.mode, activity.since, activity.last_success} == {:poll, at(4), at(9)}
    assert %{mode: :watch} = Activity.watching(activity, at(10))
  end

  test "where nothing is watched the first list is a poll" do
    assert %{mode: :poll} = listed(%Activity{}, at(1), nil, false)
  end

  test "a failure changes nothing but what it says" do
    error = %{kind: :timeout, message: "why", status: nil, retry_after_ms: nil}
    before = %Activity{} |> listed(at(1)) |> Activity.watching(at(2))
    failed = before |> listed(at(3), :timeout) |> Activity.failed(error, at(3))
    assert failed == %{before | last_error: {at(3), error}, failing_since: at(3), requests: 1}
  end

  test "it fails since the first of the errors in a row" do
    error = %{kind: :timeout, message: "why", status: nil, retry_after_ms: nil}
    failed = %Activity{} |> Activity.failed(error, at(1)) |> Activity.failed(error, at(2))
    assert failed.failing_since == at(1)
    assert %{failing_since: nil, last_error: {_, ^error}} = recovered = Activity.recovered(failed)
    assert Activity.failed(recovered, error, at(3)).failing_since == at(3)
  end

  test "an open watch is a request, and what ended tells the number" do
    activity = %Activity{} |> listed(at(1)) |> Activity.watching(at(2))
    assert activity.requests == 2
    assert %{requests: 7} = Activity.watched(activity, %{requests: 7})
  end
end
