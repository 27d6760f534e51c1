defmodule LibclusterKubernetes.Strategy.IncidentTest do
  use ExUnit.Case, async: true

  alias LibclusterKubernetes.Strategy.Incident

  @nobody {:answer, 0, 0}

  defp failed(incident \\ Incident.new(), message, now) do
    Incident.failed(incident, %{kind: :connect, message: message, advice: nil}, now)
  end

  test "a failure is logged when it starts, when its reason changes and when it ends" do
    {incident, {:warn, first}} = failed("refused", 0)
    assert Incident.lasts?(incident)
    assert first =~ "refused"
    assert first =~ "Known members stay connected"

    {incident, nil} = failed(incident, "refused", 1_000)
    {incident, {:warn, changed}} = failed(incident, "no role", 2_000)
    assert changed =~ "no role"

    assert {incident, {:info, ended}} = Incident.ended(incident, {:answer, 2, 1}, 3_500)
    assert ended =~ "3.5 s"
    assert ended =~ "3 errors"
    assert ended =~ "2 came and 1 went meanwhile"
    refute Incident.lasts?(incident)
    assert {_, nil} = Incident.ended(incident, :watching, 4_000)
    assert {_, nil} = Incident.ended(Incident.new(), :watching, 0)
  end

  test "what to do about it is said with it" do
    error = %{kind: :dns, message: "cannot resolve it", advice: "Check the name"}
    assert {_, {:warn, text}} = Incident.failed(Incident.new(), error, 0)
    assert text == "cannot resolve it. Check the name. Known members stay connected (dns)"
  end

  test "a question is not followed by a full stop" do
    error = %{kind: :connect, message: "the connection failed", advice: "Is the way to it open?"}
    assert {_, {:warn, text}} = Incident.failed(Incident.new(), error, 0)
    assert text == "the connection failed. Is the way to it open? Known members stay connected (connect)"
  end

  # An API server that is just starting refuses everybody.
  test "of a role that lacks a verb only when that lasts, and once" do
    error = %{kind: :forbidden, message: "HTTP 403", advice: "Bind a Role"}
    {incident, {:warn, text}} = Incident.failed(Incident.new(), error, 0)
    refute text =~ "Bind"
    assert {incident, nil} = Incident.failed(incident, error, 9_999)
    assert {incident, {:warn, text}} = Incident.failed(incident, error, 10_000)
    assert text == "still no answer, now: HTTP 403. Bind a Role (forbidden)"
    assert {_, nil} = Incident.failed(incident, error, 1_000_000)
  end

  test "the end says what was missed" do
    {incident, _} = failed("refused", 0)
    assert {_, {:info, text}} = Incident.ended(incident, :watching, 1)
    assert text =~ "nothing is missed"
    assert {_, {:info, text}} = Incident.ended(incident, @nobody, 1)
    assert text =~ "nobody came or went"
  end

  test "a reason that lasts is logged once, for however long" do
    {incident, _} = failed("refused", 0)

    for now <- 1_000..1_000_000//1_000, reduce: incident do
      incident ->
        {incident, nil} = failed(incident, "refused", now)
        incident
    end
  end

  test "reasons that alternate are logged once each, and again after a minute" do
    {incident, _} = failed("a", 0)
    {incident, {:warn, _}} = failed(incident, "b", 1)

    incident =
      for now <- 2..59_999//100, message <- ["a", "b"], reduce: incident do
        incident ->
          {incident, nil} = failed(incident, message, now)
          incident
      end

    assert {_, {:warn, _}} = failed(incident, "a", 60_001)
  end

  test "a failure that comes and goes is logged once in a minute, with its end" do
    {_, lines} =
      Enum.reduce(0..179, {Incident.new(), []}, fn second, {incident, lines} ->
        {incident, start} = failed(incident, "garbage", second * 1_000)
        {incident, ended} = Incident.ended(incident, @nobody, second * 1_000 + 500)
        {incident, lines ++ Enum.reject([start, ended], &is_nil/1)}
      end)

    assert [warn: _, info: _, warn: _, info: _, warn: _, info: _] = lines
  end

  test "a failure that was said a moment ago is said when it lasts" do
    {incident, {:warn, _}} = failed("garbage", 0)
    {incident, {:info, _}} = Incident.ended(incident, @nobody, 1)
    {incident, nil} = failed(incident, "garbage", 2)
    {incident, nil} = failed(incident, "garbage", 59_999)
    assert {_, {:warn, text}} = failed(incident, "garbage", 60_000)
    assert text =~ "Known members stay connected"
  end

  test "a server that words its refusal differently each time fills no log" do
    {incident, _} = failed("request 0", 0)

    {_, lines} =
      Enum.reduce(1..600, {incident, 0}, fn number, {incident, lines} ->
        {incident, log} = failed(incident, "request #{number}", number * 1_000)
        {incident, if(log, do: lines + 1, else: lines)}
      end)

    # Ten minutes.
    assert lines in 90..105
  end
end
