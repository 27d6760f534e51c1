# Five real Erlang nodes, `global` with its defaults: what costs links, and what does not. Each module is a part that
# runs at the same time as the others.

defmodule LibclusterKubernetes.Leaving.ErrorsTest do
  use ExUnit.Case, async: true

  alias LibclusterKubernetes.Test.{ErlangNode, FakeApiserver, Mesh}

  @moduletag :linux
  @moduletag timeout: 120_000

  # What the API does to one node, and what kind of error that is.
  @faults [
    {%{status: %{code: 403}}, "forbidden"},
    {%{status: %{code: 401}}, "unauthorized"},
    {%{status: %{code: 500}}, "server"},
    {"hang", "timeout"},
    {%{raw_body: "<html>\n"}, "malformed"},
    {:refused, "connect"}
  ]

  for mode <- [:poll, :watch] do
    @tag mode: mode
    test "no error that the API gives to one node costs a link: #{mode}", %{mode: mode} do
      # Where absence is the end at once, and nobody is asked, an error that counted as an answer would show.
      config = [kubernetes_disconnect_after: 0]
      settings = [disconnect: {ErlangNode, :disconnect, []}]
      mesh = Mesh.start!(2..6, source: :endpoints, mode: mode, config: config, settings: settings)

      for {fault, kind} <- @faults do
        break(mesh.apis[6].server, fault)
        # A pause, and the request that runs into its timeout.
        Mesh.assert_log(6, "(#{kind})", 10_000)
        Mesh.assert_quiet(1_500)
        mend(mesh.apis[6].server)
        Mesh.assert_log(6, "the Kubernetes API answers again", 10_000)
        Mesh.assert_quiet(500)
      end
    end
  end

  defp break(server, :refused), do: FakeApiserver.listening(server, false)

  defp break(server, fault) do
    FakeApiserver.faults(server, [%{at: "request", do: fault}])
    FakeApiserver.cut_watches(server)
  end

  defp mend(server) do
    FakeApiserver.no_faults(server)
    FakeApiserver.listening(server, true)
  end
end

defmodule LibclusterKubernetes.Leaving.AnswersTest do
  use ExUnit.Case, async: true

  alias LibclusterKubernetes.Test.Mesh

  @moduletag :linux
  @moduletag timeout: 120_000

  for mode <- [:poll, :watch] do
    @tag mode: mode
    test "one node whose answers lack others costs no link: #{mode}", %{mode: mode} do
      mesh = Mesh.start!(2..6, source: :endpoints, mode: mode)

      Mesh.see(mesh, 6, 4..6)
      Mesh.assert_quiet(3_000)
      Mesh.see(mesh, 6, 2..6)
      Mesh.assert_quiet(1_000)
    end

    @tag mode: mode
    test "one node whose answers lack itself costs no link among the others: #{mode}", %{mode: mode} do
      mesh = Mesh.start!(2..6, source: :endpoints, mode: mode)

      Mesh.see(mesh, 6, 2..5)
      Mesh.assert_kept(2..5, 3_000)
      Mesh.see(mesh, 6, 2..6)
      Mesh.assert_whole(mesh, 2..6)
    end

    @tag mode: mode
    test "one node whose answers lack itself does not leave over and over: #{mode}", %{mode: mode} do
      mesh = Mesh.start!(2..6, source: :endpoints, mode: mode)

      Mesh.see(mesh, 6, 2..5)
      Mesh.assert_kept(2..5, 3_000)
      Mesh.assert_quiet(3_000)
    end

    @tag mode: mode
    test "one node whose answers are empty costs no link, and says what it is: #{mode}", %{mode: mode} do
      mesh = Mesh.start!(2..6, source: :endpoints, mode: mode)

      Mesh.see(mesh, 6, [])
      Mesh.assert_log(6, "most often the labels have changed and kubernetes_selector no longer matches")
      Mesh.assert_quiet(3_000)
      Mesh.see(mesh, 6, 2..6)
      Mesh.assert_quiet(1_000)
    end
  end
end

defmodule LibclusterKubernetes.Leaving.ConditionsTest do
  use ExUnit.Case, async: true

  alias LibclusterKubernetes.Test.Mesh

  @moduletag :linux
  @moduletag timeout: 120_000

  for mode <- [:poll, :watch] do
    for source <- [:endpoints, :endpoint_slices, :pods] do
      @tag mode: mode, source: source
      test "readiness that flips costs no link: #{source}, #{mode}", %{mode: mode, source: source} do
        mesh = Mesh.start!(2..6, source: source, mode: mode)

        Mesh.see(mesh, [2, 3, 4, 5, {6, :not_ready}])
        Mesh.assert_quiet(2_500)
        Mesh.see(mesh, 2..6)
        Mesh.assert_quiet(1_000)
      end
    end

    for source <- [:endpoint_slices, :pods] do
      @tag mode: mode, source: source
      test "one that drains keeps its links until it is gone: #{source}, #{mode}", %{mode: mode, source: source} do
        mesh = Mesh.start!(2..6, source: source, mode: mode)

        Mesh.see(mesh, [2, 3, 4, 5, {6, :draining}])
        Mesh.assert_quiet(2_500)
        Mesh.see(mesh, 2..5)
        Mesh.assert_down([6], 2..5)
        Mesh.assert_quiet(2_500)
      end
    end
  end
end

defmodule LibclusterKubernetes.Leaving.AbsenceTest do
  use ExUnit.Case, async: true

  alias LibclusterKubernetes.Test.{Api, ErlangNode, Mesh}

  @moduletag :linux
  @moduletag timeout: 120_000

  for mode <- [:poll, :watch] do
    for {source, object} <- [endpoints: "six", pods: "pod-127-0-0-6"] do
      @tag mode: mode, source: source, object: object
      test "one whose label changes leaves, and is back when the label is: #{source}, #{mode}", context do
        mesh = Mesh.start!(2..6, source: context.source, mode: context.mode)
        Mesh.each_api(mesh, &Api.put(&1, context.object, [Mesh.ip(6)]))
        if context.source == :endpoints, do: Mesh.see(mesh, 2..5)
        Mesh.assert_quiet(2_500)

        Mesh.each_api(mesh, &Api.label(&1, context.object, "other"))
        Mesh.assert_down([6], 2..5)
        Mesh.assert_quiet(2_500)
        Mesh.each_api(mesh, &Api.label(&1, context.object, "app"))
        Mesh.assert_up([6], 2..5)
        Mesh.assert_quiet(1_000)
      end
    end

    @tag mode: mode
    test "one that the others see back before it does keeps the links that they make: #{mode}", %{mode: mode} do
      mesh = Mesh.start!(2..6, source: :endpoints, mode: mode)
      Mesh.see(mesh, 2..5)
      Mesh.assert_down([6], 2..5)

      for number <- 2..5, do: Mesh.see(mesh, number, 2..6)
      Mesh.assert_up([6], 2..5)
      Mesh.assert_quiet(1_000)
      Mesh.see(mesh, 6, 2..6)
      Mesh.assert_quiet(1_000)
    end

    @tag mode: mode
    test "answers that are cut short for a moment cost no link, and for longer those of the missing: #{mode}",
         context do
      config = [kubernetes_disconnect_after: 3_000]
      mesh = Mesh.start!(2..6, source: :endpoints, mode: context.mode, config: config)

      Mesh.see(mesh, 2..4)
      Mesh.assert_quiet(1_000)
      Mesh.see(mesh, 2..6)
      Mesh.assert_quiet(1_000)

      Mesh.see(mesh, [])
      for number <- 2..6, do: Mesh.assert_log(number, "kubernetes_selector no longer matches")
      Mesh.see(mesh, 2..6)
      Mesh.assert_quiet(4_000)

      Mesh.see(mesh, 2..4)
      Mesh.assert_down([5, 6], 2..6)
      Mesh.assert_quiet(2_500)
      Mesh.see(mesh, 2..6)
      Mesh.assert_up([5, 6], 2..6)
      Mesh.assert_quiet(1_000)
    end
  end

  test "an explicit disconnect makes `global` cut links among the others, which is why there is none" do
    config = [kubernetes_disconnect_after: 0]
    settings = [disconnect: {ErlangNode, :disconnect, []}]
    mesh = Mesh.start!(2..6, source: :endpoints, mode: :poll, config: config, settings: settings)

    # Mostly the first time; whom `global` hears first is chance.
    assert Enum.any?(1..5, fn _ ->
             Mesh.see(mesh, 6, [6])
             Mesh.lost?(2..5, 3_000) || mend(mesh)
           end)
  end

  defp mend(mesh) do
    Mesh.see(mesh, 6, 2..6)
    Mesh.assert_whole(mesh, 2..6)
    false
  end
end

defmodule LibclusterKubernetes.Leaving.RestartsTest do
  use ExUnit.Case, async: true

  alias LibclusterKubernetes.Test.{Api, Mesh}

  @moduletag :linux
  @moduletag timeout: 120_000

  for mode <- [:poll, :watch] do
    @tag mode: mode
    test "one that another topology still names keeps its links: #{mode}", %{mode: mode} do
      mesh = start_two_topologies(mode)

      Mesh.see(mesh, 2..5)
      Mesh.assert_quiet(3_000)
      see_two(mesh, 2..5)
      Mesh.see(mesh, 2..6)
      Mesh.assert_quiet(3_000)
    end

    @tag mode: mode
    test "one that no topology names any more leaves: #{mode}", %{mode: mode} do
      mesh = start_two_topologies(mode)

      Mesh.see(mesh, 2..5)
      Mesh.assert_quiet(3_000)
      see_two(mesh, 2..5)
      Mesh.assert_down([6], 2..5)
      Mesh.assert_quiet(2_500)
    end

    @tag mode: mode
    test "a strategy that starts anew costs no link: #{mode}", %{mode: mode} do
      mesh = Mesh.start!(2..6, source: :endpoints, mode: mode)

      for restart <- [:kill_strategies, :restart_supervisor] do
        :ok = Mesh.call(mesh, 6, restart)
        Mesh.assert_quiet(2_500)
      end

      Mesh.see(mesh, [2, 3, 4, 6])
      Mesh.assert_down([5], [2, 3, 4, 6])
      Mesh.assert_quiet(2_500)
    end

    @tag mode: mode
    test "one that crashes and comes back costs no link among the others: #{mode}", %{mode: mode} do
      mesh = Mesh.start!(2..6, source: :endpoints, mode: mode)

      mesh = Mesh.kill(mesh, 6)
      Mesh.assert_gone(6, 2..5)
      Mesh.assert_quiet(2_500)
      Mesh.join(mesh, [6])
      Mesh.assert_up([6], 2..5)
      Mesh.assert_quiet(1_000)
    end
  end

  defp start_two_topologies(mode) do
    topologies = [one: "app=app", two: "app=two"]
    Mesh.start!(2..6, source: :endpoints, mode: mode, topologies: topologies, prepare: &put_two(&1, 2..6))
  end

  defp see_two(mesh, numbers), do: Mesh.each_api(mesh, &put_two(&1, numbers))

  defp put_two(api, numbers), do: Api.put(api, "two", Enum.map(numbers, &Mesh.ip/1), labels: %{app: "two"})
end

defmodule LibclusterKubernetes.Leaving.RollingUpdateTest do
  use ExUnit.Case, async: true

  alias LibclusterKubernetes.Test.Mesh

  @moduletag :linux
  @moduletag timeout: 120_000

  for mode <- [:poll, :watch] do
    @tag mode: mode
    test "a rolling update costs no link among those that stay: #{mode}", %{mode: mode} do
      mesh = Mesh.start!(2..6, source: :endpoint_slices, mode: mode)
      Enum.reduce(2..6, mesh, &replace(&2, &1, &1 + 5))
      Mesh.assert_quiet(2_500)
    end
  end

  # The new one is ready before the old one drains.
  defp replace(mesh, old, new) do
    staying = Enum.to_list((old + 1)..new)
    Mesh.see(mesh, [old | staying])
    mesh = Mesh.join(mesh, [new], [old | staying])
    Mesh.assert_up([new], [old | staying])

    Mesh.see(mesh, [{old, :draining} | staying])
    Mesh.see(mesh, staying)
    ended(mesh, old, staying)
  end

  # Half of them end before they would leave by themselves.
  defp ended(mesh, old, staying) when rem(old, 2) == 0 do
    mesh = Mesh.kill(mesh, old)
    Mesh.assert_gone(old, staying)
    mesh
  end

  defp ended(mesh, old, staying) do
    Mesh.assert_down([old], staying)
    Mesh.kill(mesh, old)
  end
end
