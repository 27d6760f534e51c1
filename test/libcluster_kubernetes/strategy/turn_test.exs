defmodule LibclusterKubernetes.Strategy.TurnTest do
  use ExUnit.Case, async: true

  alias LibclusterKubernetes.Strategy.{Dialing, Turn}

  @patience 1_000
  @tick 5_000
  # The simulated clock goes in steps of so many milliseconds.
  @step 10

  defp names(count), do: for(number <- Enum.take_random(1..250, count), do: "app@10.0.0.#{number}")

  test "of two nodes that are news to each other, exactly one dials at once, the other within a second" do
    for _ <- 1..1_000 do
      [a, b] = names(2)
      one = Turn.patience(%Turn{own: a}, b, :rand.uniform())
      other = Turn.patience(%Turn{own: b}, a, :rand.uniform())
      assert [0, later] = Enum.sort([one, other])
      assert later in div(@patience * 3, 4)..@patience
    end
  end

  test "of many that are news in the same moment, each is left to the others for longer" do
    assert Turn.patience(%Turn{own: "b", missing: 99}, "a", 1.0) == @patience + 98 * 100
    assert Turn.patience(%Turn{own: "b", missing: 5_000}, "a", 1.0) == 30_000
    assert Turn.patience(%Turn{own: "a", missing: 99}, "b", 1.0) == 0
  end

  test "whom nobody dials waits for nobody" do
    for name <- names(100), do: assert(Turn.patience(%Turn{}, name, 1.0) == 0)
  end

  test "a node that starts among a few does not wait for long, and never for longer than a second" do
    assert Turn.patience(%Turn{own: "app@3", first_list?: true, missing: 2}, "app@1", 1.0) == 20

    for missing <- [0, 1, 100, 5_000],
        do: assert(Turn.patience(%Turn{own: "b", first_list?: true, missing: missing}, "a", 1.0) <= @patience)
  end

  test "a first list that names nobody is the first all the same" do
    {[], dialing} = Dialing.due(Dialing.new(@tick), [], "app@2", 0)
    assert {[], dialing} = Dialing.due(dialing, ["app@1"], "app@2", 0)
    assert {["app@1"], _} = Dialing.due(dialing, ["app@1"], "app@2", @patience)
  end

  # Nodes that boot, list, and learn of each other whenever they do; some see nobody, some never boot, some are not ready.
  describe "in random clusters" do
    for seed <- 1..40 do
      test "no pair waits for ever: #{seed}" do
        :rand.seed(:exsss, unquote(seed))
        nodes = Map.new(names(2 + :rand.uniform(6)), &{&1, random_node()})
        # A tick after whoever comes last, and what a try takes that nobody answers.
        {links, _} = run(nodes, 20_000 + @tick + 7_000)

        for {a, its} <- nodes, {b, others} <- nodes, a < b, its.boots && others.boots, its.sees? or others.sees? do
          assert MapSet.member?(links, {a, b}), "#{a} and #{b} are not connected: #{inspect(nodes)}"
        end
      end

      test "nodes that learn of each other in one write dial each other once: #{seed}" do
        :rand.seed(:exsss, unquote(seed))
        nodes = Map.new(names(8), &{&1, %{boots: 0, named: 1_000, sees?: true, ready?: true, silent?: false}})
        {links, dials} = run(nodes, 3_000)
        assert MapSet.size(links) == 28
        assert length(dials) == 28
        for {from, to} <- dials, do: assert(Turn.first?(from, to))
      end
    end
  end

  defp random_node do
    %{
      boots: Enum.random([0, 0, :rand.uniform(20_000), nil]),
      # When it is in the answers.
      named: Enum.random([0, :rand.uniform(20_000)]),
      # Whether it sees the others: it may run another strategy.
      sees?: :rand.uniform() < 0.7,
      ready?: :rand.uniform() < 0.7,
      # Whether nobody answers at its address until its VM is there, not even by refusing.
      silent?: :rand.uniform() < 0.3
    }
  end

  # Answers the links, and every dial that was answered.
  defp run(nodes, until) do
    dialings = Map.new(nodes, fn {name, _} -> {name, Dialing.new(@tick)} end)
    world = %{dialings: dialings, links: MapSet.new(), dials: [], ends: []}
    world = Enum.reduce(Enum.take_every(0..until, @step), world, &step(&2, nodes, &1))
    {world.links, world.dials}
  end

  defp step(world, nodes, now) do
    {ended, ends} = Enum.split_with(world.ends, fn {at, _from, _to} -> at <= now end)
    world = Enum.reduce(ended, %{world | ends: ends}, fn {_at, from, to}, world -> failed(world, from, to, now) end)
    listing = for {name, %{boots: boots, sees?: true}} <- nodes, boots != nil and boots <= now, do: name
    Enum.reduce(listing, world, &act(&2, nodes, &1, now))
  end

  defp act(world, nodes, name, now) do
    missing =
      for {other, %{named: named}} <- nodes,
          other != name,
          named <= now,
          link(name, other) not in world.links,
          do: other

    own = if nodes[name].ready? and nodes[name].named <= now, do: name
    {due, dialing} = Dialing.due(world.dialings[name], missing, own, now)
    world = put_in(world.dialings[name], dialing)
    Enum.reduce(due, world, &dial(&2, name, &1, nodes[&1], now))
  end

  defp dial(world, from, to, %{boots: boots}, now) when boots != nil and boots <= now do
    world = %{world | links: MapSet.put(world.links, link(from, to)), dials: [{from, to} | world.dials]}
    update_in(world.dialings[from], &Dialing.connected(&1, to))
  end

  defp dial(world, from, to, %{silent?: true}, now), do: %{world | ends: [{now + 7_000, from, to} | world.ends]}
  defp dial(world, from, to, _refuses, now), do: failed(world, from, to, now)

  defp failed(world, from, to, now), do: update_in(world.dialings[from], &Dialing.failed(&1, to, now))

  defp link(a, b), do: if(a < b, do: {a, b}, else: {b, a})
end
