defmodule LibclusterKubernetes.IncidentTest do
  use ExUnit.Case, async: true

  alias LibclusterKubernetes.Incident

  test "a failure is logged when it starts, when its reason changes and when it ends" do
    {incident, {:warn, first}} = Incident.failed(nil, %{kind: :connect, message: "refused"}, 0)
    assert first =~ "refused"
    assert first =~ "Known members stay connected"

    {incident, nil} = Incident.failed(incident, %{kind: :connect, message: "refused"}, 1_000)
    {incident, {:warn, changed}} = Incident.failed(incident, %{kind: :forbidden, message: "no role"}, 2_000)
    assert changed =~ "no role"

    assert {:info, ended} = Incident.ended(incident, 3_500)
    assert ended =~ "3.5 s"
    assert ended =~ "3 errors"
    assert Incident.ended(nil, 0) == nil
  end
end
