defmodule LibclusterKubernetes.AtRestTest do
  # A minute in which nothing happens, beside other tests, with a kube-apiserver of its own.
  use ExUnit.Case, async: true

  import LibclusterKubernetes.Test.Scenarios, only: [assert_connect: 2, state: 4]

  alias LibclusterKubernetes.Test.{Api, KubeApiserver, Recorder, Topology}

  @moduletag :kube_apiserver
  @moduletag timeout: 180_000

  @sources [:endpoints, :endpoint_slices, :pods]
  @minute 60_000

  setup_all do: KubeApiserver.setup_all(audit: true)

  test "at rest, nothing is asked for but the next watch", %{server: server} do
    apis = for source <- @sources, number <- 1..3, do: start_with_defaults(server, source, :"rest_#{source}_#{number}")
    for api <- apis, do: Topology.wait_until(fn -> Api.watching?(api) end)
    refute_receive _, @minute

    asked = Enum.map(apis, &KubeApiserver.requests(server, &1.namespace))
    assert Enum.all?(asked, &match?([%{verb: "list"}, %{verb: "watch"}], &1))

    sessions =
      for [_list, watch] <- asked do
        [_, seconds] = Regex.run(~r/timeoutSeconds=([0-9]+)/, watch.uri)
        String.to_integer(seconds)
      end

    {shortest, longest} = Enum.min_max(sessions)
    # One for each session, and the list.
    hourly = ceil(3_600 / shortest) + 1

    IO.puts(
      "\n#{length(asked)} topologies at rest for 60 s: one list and one watch each at the start, then no request; " <>
        "sessions of #{shortest}..#{longest} s, so at most #{hourly} requests per node and hour"
    )

    assert hourly <= 20
  end

  # A topology with one member and the defaults of everything that has to do with time.
  defp start_with_defaults(server, source, name) do
    api = Api.new(server, source)
    Api.members(api, ["10.1.0.1"])
    {:ok, recorder} = Recorder.start_link()
    state = state(api, recorder, [kubernetes_node_basename: name], name)
    defaults = [:polling_interval, :kubernetes_disconnect_after, :kubernetes_watch]
    start_supervised!(Topology.child_spec(%{state | config: Keyword.drop(state.config, defaults)}))
    assert_connect("#{name}@10.1.0.1", 10_000)
    api
  end
end
