defmodule LibclusterKubernetes.ClockTest do
  # A real Erlang node, 2, whose wall clock jumps, and another one, 3, that comes and goes. 3 runs no topology: whether it
  # leaves, and when, is for 2 to decide.
  use ExUnit.Case, async: true

  alias LibclusterKubernetes.Test.{Api, Clock, ErlangNode, FakeApiserver, Mesh, Topology}

  @moduletag :clock
  @moduletag timeout: 120_000

  @hour 3_600
  @day 24 * @hour
  @years 10 * 366 * @day

  for mode <- [:poll, :watch] do
    @tag mode: mode
    test "a clock that jumps disconnects nobody, and changes nothing about who leaves: #{mode}", context do
      node = start(context.mode)

      for offset <- [@hour, -@hour, @day, -@day, 0] do
        members(node, [2])
        Mesh.assert_quiet(500)
        # Absent, but not for long enough, whatever the clock says.
        jump(node, offset)
        Mesh.assert_quiet(1_000)
        # Now it is, even if the clock says that this is an hour away.
        Mesh.assert_down([2], [3])
        members(node, [2, 3])
        Mesh.assert_up([2], [3])
      end
    end

    @tag mode: mode
    test "a clock that is so wrong that certificates are expired disconnects nobody: #{mode}", context do
      node = start(context.mode)

      jump(node, @years)
      # Certificates are looked at when a connection is made.
      FakeApiserver.listening(node.api.server, false)
      FakeApiserver.listening(node.api.server, true)
      Mesh.assert_log(2, "(tls)")
      members(node, [2])
      Mesh.assert_quiet(4_500)
      members(node, [2, 3])

      jump(node, 0)
      Mesh.assert_log(2, "the Kubernetes API answers again")
      members(node, [2])
      Mesh.assert_down([2], [3])
      members(node, [2, 3])
      Mesh.assert_up([2], [3])
    end
  end

  defp start(mode) do
    %{server: server} = FakeApiserver.serve()
    api = Api.new(server, :endpoints)
    clock = Path.join(server.dir, "clock")

    watch = if mode == :watch, do: :auto, else: false
    more = [kubernetes_watch: watch, kubernetes_disconnect_after: 3_000, polling_interval: 300]
    config = Topology.config(api, more)

    port = ErlangNode.free_port()
    ErlangNode.start(Mesh.ip(3), port, [])
    node = %{api: api, clock: clock, owner: nil}
    members(node, [2, 3])
    topologies = [k8s: [strategy: LibclusterKubernetes.Strategy, config: config]]
    owner = ErlangNode.launch(Mesh.ip(2), port, topologies, Clock.environment(clock))
    ErlangNode.await_started(Mesh.ip(2))
    Mesh.assert_up([2], [3])
    %{node | owner: owner}
  end

  defp members(node, numbers), do: Api.members(node.api, Enum.map(numbers, &Mesh.ip/1))

  defp jump(node, offset) do
    Clock.jump(node.clock, offset)
    assert_in_delta ErlangNode.call(node.owner, :os, :system_time, [:second]), System.os_time(:second) + offset, 60
  end
end
