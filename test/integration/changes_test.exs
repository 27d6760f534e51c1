defmodule LibclusterKubernetes.ChangesTest do
  # A change says the same as the snapshot that it leads to, whatever happens to connections meanwhile; and costs less.
  use ExUnit.Case, async: true

  alias LibclusterKubernetes.Strategy.{Connections, Membership}

  @self "app@0"
  @standings [:ready, :not_ready, :draining]

  # The model of an answer: names with their standings.
  defp snapshot(answer) do
    for standing <- @standings, into: %{}, do: {standing, for({name, ^standing} <- answer, do: name)}
  end

  defp any_name, do: "app@#{:rand.uniform(8) - 1}"

  defp other_answer(answer) do
    Enum.reduce(0..:rand.uniform(3), answer, fn _, answer ->
      if :rand.uniform(3) == 1,
        do: Map.delete(answer, any_name()),
        else: Map.put(answer, any_name(), Enum.random(@standings))
    end)
  end

  defp change(membership, before, answer, now) do
    gone = for {name, _standing} <- before, not is_map_key(answer, name), do: name
    news = answer |> Enum.reject(fn {name, standing} -> before[name] == standing end) |> snapshot()
    Membership.change(membership, @self, gone, news, now)
  end

  defp meet(membership, connections, in_flight) do
    Membership.meet(membership, connections.names, connections.lost, in_flight)
  end

  # What must be the same; `apart` may have names that have come again, until the next `meet`.
  defp facts(membership) do
    {Membership.missing(membership) |> Enum.sort(), Membership.missing(membership, true) |> Enum.sort(),
     Membership.standings(membership) |> Enum.sort(), membership.absent, membership.met, membership.counts,
     {membership.came, membership.went, membership.gone?}}
  end

  # Whom to connect to, from all that is known, as if nothing had been noted of who is apart.
  defp reference(membership, connected) do
    standings = Map.merge(Map.new(membership.absent, fn {name, _} -> {name, :absent} end), membership.present)
    retiring? = standings[@self] in [:draining, :absent]

    for {name, standing} <- standings,
        name != @self and name not in connected and standing != :absent,
        name in membership.met or (standing == :ready and not retiring?),
        do: name
  end

  test "any changes, in any order with links that come and go, come to what snapshots come to" do
    for _ <- 1..500 do
      start = {Membership.new(1_000), Membership.new(1_000), %{}, Connections.new()}

      Enum.reduce(1..20, start, fn now, {by_changes, by_snapshots, before, connections} ->
        answer = other_answer(before)
        by_changes = change(by_changes, before, answer, now)
        by_snapshots = Membership.observe(by_snapshots, @self, snapshot(answer), now)

        connections = Connections.now(connections, {__MODULE__, :some_nodes, [connections.nodes]})
        in_flight = if :rand.uniform(2) == 1, do: %{any_name() => now}, else: %{}
        [by_changes, by_snapshots] = for known <- [by_changes, by_snapshots], do: meet(known, connections, in_flight)

        assert facts(by_changes) == facts(by_snapshots)

        assert Membership.missing(by_changes) |> Enum.sort() ==
                 by_changes |> reference(connections.names) |> Enum.sort()

        gone = for {name, _} <- by_changes.absent, name not in connections.names, do: name
        assert gone -- [@self | Map.keys(in_flight)] == []
        {by_changes, by_snapshots, answer, connections}
      end)
    end
  end

  # Most of them as before, and in another order now and then.
  def some_nodes(nodes) do
    case :rand.uniform(4) do
      1 -> nodes
      2 -> [:"app@#{:rand.uniform(8)}" | nodes] |> Enum.uniq()
      3 -> List.delete(nodes, :"app@#{:rand.uniform(8)}")
      4 -> Enum.shuffle(nodes)
    end
  end

  test "connections are those of the list, whatever its order, and who is lost is named" do
    Enum.reduce(1..2_000, Connections.new(), fn _, before ->
      now = Connections.now(before, {__MODULE__, :some_nodes, [before.nodes]})
      assert now.names == MapSet.new(now.nodes, &Atom.to_string/1)
      if now.nodes != before.nodes, do: assert(MapSet.new(now.lost) == MapSet.difference(before.names, now.names))
      now
    end)
  end

  test "the work for a change does not grow with the number of members" do
    [few, many] = for members <- [500, 5_000], do: work(members)
    assert many < 3 * few, "#{few} reductions with 500 members, #{many} with 5,000"
  end

  # In reductions: of one that comes, is connected and goes.
  defp work(members) do
    names = for number <- 1..members, do: "app@#{number}"
    connected = %Connections{names: MapSet.new(names)}
    known = Membership.new(1_000) |> Membership.observe(@self, snapshot(Map.new(names, &{&1, :ready})), 0)
    known = meet(known, connected, %{})
    assert Membership.missing(known) == []
    # Nothing is collected between these two.
    :erlang.garbage_collect()
    before = reductions()

    for name <- ["app@a", "app@b", "app@c"] do
      came = change(known, %{}, %{name => :ready}, 1)
      assert [^name] = came |> meet(connected, %{}) |> Membership.missing()
      change(came, %{name => :ready}, %{}, 2) |> meet(connected, %{})
    end

    reductions() - before
  end

  defp reductions do
    {:reductions, count} = Process.info(self(), :reductions)
    count
  end
end
