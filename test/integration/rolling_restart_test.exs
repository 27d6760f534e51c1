defmodule LibclusterKubernetes.RollingRestartTest do
  # What a rolling restart of 200 pods costs one node. The stock strategy lists all of them every five seconds meanwhile.
  use ExUnit.Case, async: true

  import LibclusterKubernetes.Test.Topology, only: [start: 2, wait_until: 1]

  alias LibclusterKubernetes.Test.{Api, FakeApiserver, Recorder, Topology}

  setup context, do: Topology.alone(context)

  @pods 200

  for source <- [:endpoint_slices, :pods] do
    @tag source: source
    test "costs no list and no watch, and lets go of nobody: #{source}", %{source: source} = context do
      api = Api.new(context.server, source)
      Api.members(api, Enum.map(1..@pods, &old/1))

      pid =
        start(
          %{context | server: %{context.server | service_account: api.service_account}},
          kubernetes_ip_lookup_mode: source,
          kubernetes_watch: :auto,
          kubernetes_disconnect_after: 100
        )

      for number <- 1..@pods, node = :"app@#{old(number)}", do: assert_receive({:connect, ^node, true}, 10_000)
      wait_until(fn -> :sys.get_state(pid).activity.mode == :watch end)
      FakeApiserver.clear_journal(context.server)

      for number <- 1..@pods do
        come(api, source, number)
        # It is still in the answer, and cannot be reached any more.
        Recorder.unreachable(context.recorder, Enum.map(1..number, &:"app@#{old(&1)}"))
        Recorder.lose(context.recorder, :"app@#{old(number)}")
        go(api, source, number)
      end

      wait_until(fn -> present(pid) == MapSet.new(1..@pods, &"app@#{new(&1)}") end)
      # Whoever is absent and closed its connections is forgotten without a question.
      wait_until(fn -> :sys.get_state(pid).membership.absent == %{} end)
      assert %{"lists" => 0, "watches" => 0, "watches_open" => 1} = FakeApiserver.summary(context.server)
      refute_received {:disconnect, _}
    end
  end

  defp come(api, :pods, number) do
    Api.put(api, Api.pod_name(new(number)), [new(number)])
    Api.put(api, Api.pod_name(old(number)), [{old(number), :draining}])
  end

  defp come(api, :endpoint_slices, number) do
    Api.members(api, [
      {old(number), :draining} | Enum.map((number + 1)..@pods//1, &old/1) ++ Enum.map(1..number, &new/1)
    ])
  end

  defp go(api, :pods, number), do: Api.delete(api, Api.pod_name(old(number)))

  defp go(api, :endpoint_slices, number) do
    Api.members(api, Enum.map((number + 1)..@pods//1, &old/1) ++ Enum.map(1..number, &new/1))
  end

  defp old(number), do: "10.4.1.#{number}"
  defp new(number), do: "10.4.2.#{number}"

  defp present(pid),
    do: pid |> :sys.get_state() |> Map.fetch!(:membership) |> Map.fetch!(:present) |> Map.keys() |> MapSet.new()
end
