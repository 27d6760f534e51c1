defmodule LibclusterKubernetes.IncidentTest do
  use ExUnit.Case, async: true

  alias LibclusterKubernetes.Incident

  defp failed(incident, message, now), do: Incident.failed(incident, %{kind: :connect, message: message}, now)

  test "a failure is logged when it starts, when its reason changes and when it ends" do
    {incident, {:warn, first}} = failed(nil, "refused", 0)
    assert first =~ "refused"
    assert first =~ "Known members stay connected"

    {incident, nil} = failed(incident, "refused", 1_000)
    {incident, {:warn, changed}} = failed(incident, "no role", 2_000)
    assert changed =~ "no role"

    assert {:info, ended} = Incident.ended(incident, {:answer, 2, 1}, 3_500)
    assert ended =~ "3.5 s"
    assert ended =~ "3 errors"
    assert ended =~ "2 have come and 1 have gone"
    assert Incident.ended(nil, :watching, 0) == nil
  end

  test "the end says what was missed" do
    {incident, _} = failed(nil, "refused", 0)
    assert {:info, text} = Incident.ended(incident, :watching, 1)
    assert text =~ "nothing is missed"
    assert {:info, text} = Incident.ended(incident, {:answer, 0, 0}, 1)
    assert text =~ "nobody has come or gone"
  end

  test "reasons that alternate are logged once each, and again after a minute" do
    {incident, _} = failed(nil, "a", 0)
    {incident, {:warn, _}} = failed(incident, "b", 1)

    incident =
      for now <- 2..59_999//100, message <- ["a", "b"], reduce: incident do
        incident ->
          {incident, nil} = failed(incident, message, now)
          incident
      end

    assert {_, {:warn, _}} = failed(incident, "a", 60_001)
  end

  test "a server that words its refusal differently each time fills no log" do
    {incident, _} = failed(nil, "request 0", 0)

    {_, lines} =
      Enum.reduce(1..600, {incident, 0}, fn number, {incident, lines} ->
        {incident, log} = failed(incident, "request #{number}", number * 1_000)
        {incident, if(log, do: lines + 1, else: lines)}
      end)

    # Ten minutes.
    assert lines in 10..15
  end
end
