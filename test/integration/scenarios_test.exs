defmodule LibclusterKubernetes.FakeScenariosTest do
  use ExUnit.Case, async: true
  use LibclusterKubernetes.Test.Scenarios

  import LibclusterKubernetes.Test.Scenarios, only: [start: 1]

  alias LibclusterKubernetes.Test.{FakeApiserver, Topology}

  @moduletag timeout: 60_000

  setup do
    server = FakeApiserver.start!()
    on_exit(fn -> File.rm_rf!(server.dir) end)
    %{server: server}
  end

  test "history that is forgotten costs no more than a list: all sources", %{server: server} do
    server |> Scenarios.expired() |> Scenarios.watch_again()
  end

  # The real one does this while its RBAC has not read the roles yet.
  test "after a restart of the server, all sources are watched again", %{server: server} do
    server |> Scenarios.expired() |> Scenarios.watch_again()
  end
end
