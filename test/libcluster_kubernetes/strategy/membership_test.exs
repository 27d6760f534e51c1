defmodule LibclusterKubernetes.Strategy.MembershipTest do
  use ExUnit.Case, async: true

  alias LibclusterKubernetes.Strategy.Membership

  @self "app@1"

  defp snapshot(ready, not_ready \\ [], draining \\ []) do
    %{ready: ready, not_ready: not_ready, draining: draining, freshness: :present}
  end

  defp cached(ready), do: %{snapshot(ready) | freshness: :known}

  # Waits 1,000 ms, and 600 ms more for others than this node.
  defp membership(snapshots, disconnect_after \\ 1_000) do
    Enum.reduce(snapshots, Membership.new(disconnect_after, 500, 0), fn {now, snapshot}, membership ->
      Membership.observe(membership, @self, snapshot, now)
    end)
  end

  defp wanted(membership), do: membership |> Membership.wanted() |> Enum.sort()

  describe "wanted/1" do
    test "is what is ready, without this node" do
      assert wanted(membership([{0, snapshot([@self, "app@2", "app@3"], ["app@4"], ["app@5"])}])) == ["app@2", "app@3"]
    end

    test "includes the others where this node was never a member" do
      assert wanted(membership([{0, snapshot(["app@2"])}])) == ["app@2"]
    end

    test "is nobody while this node drains" do
      assert wanted(membership([{0, snapshot(["app@2"], [], [@self])}])) == []
    end

    test "is nobody while this node is absent, and everybody when it is back" do
      gone = [{0, snapshot([@self, "app@2"])}, {1, snapshot(["app@2"])}]
      assert wanted(membership(gone)) == []
      assert wanted(membership(gone ++ [{2, snapshot([@self, "app@2"])}])) == ["app@2"]
    end
  end

  describe "departed/1" do
    test "is nobody that is in the answer, ready or not, draining or not" do
      answers = [{0, snapshot([@self, "app@2", "app@3"])}, {1, snapshot([@self], ["app@2"], ["app@3"])}]
      assert departed(answers, 1_000_000) == []
    end

    test "is who has been absent for disconnect_after and the courtesy, in an answer of then" do
      answers = [{0, snapshot([@self, "app@2"])}, {100, snapshot([@self])}]
      assert departed(answers, 1_699) == []
      assert departed(answers, 1_700) == ["app@2"]
      assert Membership.departed(membership(answers)) == []
      assert Membership.next_deadline(membership(answers), 100) == 1_700
    end

    test "counts from the first absence, and anew after a return" do
      absent = [{0, snapshot([@self, "app@2"])}, {100, snapshot([@self])}, {900, snapshot([@self])}]
      assert departed(absent, 1_700) == ["app@2"]

      back = absent ++ [{1_000, snapshot([@self, "app@2"])}, {1_500, snapshot([@self])}]
      assert departed(back, 3_099) == []
      assert departed(back, 3_100) == ["app@2"]
    end

    test "is immediate with 0, and nobody with :never" do
      answers = [{0, snapshot([@self, "app@2"])}, {100, snapshot([@self])}]
      assert Membership.departed(membership(answers, 0)) == ["app@2"]
      assert Membership.departed(membership(answers ++ [{1_000_000, snapshot([@self])}], :never)) == []
      assert Membership.next_deadline(membership(answers, :never), 0) == nil
      assert Membership.held(membership(answers, :never)) == MapSet.new([@self])
    end

    test "may be decided by the next answer where somebody is absent, and always with 0" do
      complete = [{0, snapshot([@self, "app@2"])}]
      refute Membership.deciding?(membership(complete, 1_000))
      assert Membership.deciding?(membership(complete ++ [{100, snapshot([@self])}], 1_000))
      refute Membership.deciding?(membership(complete ++ [{100, snapshot([@self])}], :never))
      assert Membership.deciding?(membership(complete, 0))
    end

    test "is nobody while this node is itself absent" do
      assert departed([{0, snapshot([@self, "app@2", "app@3"])}, {1, snapshot([])}], 1_000_000) == []
    end

    # What the answers and one more like the last, at that time, say.
    defp departed(answers, confirmed_at) do
      {_, last} = List.last(answers)
      Membership.departed(membership(answers ++ [{confirmed_at, last}]))
    end
  end

  describe "unconfirmed?/2" do
    test "asks for an answer once an absence is long enough, until there is one" do
      membership = membership([{0, snapshot([@self, "app@2"])}, {100, snapshot([@self])}])
      refute Membership.unconfirmed?(membership, 1_699)
      assert Membership.unconfirmed?(membership, 1_700)
      refute Membership.unconfirmed?(Membership.observe(membership, @self, snapshot([@self]), 1_701), 1_702)
    end

    test "asks on after what a cache tells, which decides about nobody" do
      for answer <- [&Membership.observe(&1, @self, cached([]), 1_700), &Membership.confirm(&1, :known, 1_700)] do
        membership = answer.(membership([{0, snapshot([@self, "app@2"])}, {100, snapshot([])}]))
        assert Membership.unconfirmed?(membership, 1_701)
        assert Membership.departed(membership) == []
        refute Membership.leave?(membership)
      end
    end
  end

  describe "leave?/1" do
    test "is true once this node has been absent for disconnect_after, before the others disconnect it" do
      answers = [{0, snapshot([@self, "app@2"])}, {100, snapshot(["app@2"])}]
      refute Membership.leave?(membership(answers ++ [{1_099, snapshot(["app@2"])}]))
      assert Membership.leave?(membership(answers ++ [{1_100, snapshot(["app@2"])}]))
      refute Membership.leave?(membership(answers ++ [{1_100, snapshot([@self, "app@2"])}]))
      assert Membership.next_deadline(membership(answers), 100) == 1_100
    end

    test "is false once it has left, until it was back and is absent again" do
      gone = membership([{0, snapshot([@self, "app@2"])}, {100, snapshot(["app@2"])}, {1_100, snapshot(["app@2"])}])
      left = Membership.left(gone)
      refute Membership.leave?(left)
      assert wanted(left) == []
      answers = [{2_000, [@self, "app@2"]}, {2_001, ["app@2"]}, {3_001, ["app@2"]}]

      again =
        for {now, names} <- answers, reduce: left do
          membership -> Membership.observe(membership, @self, snapshot(names), now)
        end

      assert Membership.leave?(again)
    end

    test "is false for a node that was never a member, and with :never" do
      refute Membership.leave?(membership([{0, snapshot(["app@2"])}, {1, snapshot([])}, {1_000_000, snapshot([])}]))

      refute Membership.leave?(
               membership([{0, snapshot([@self])}, {1, snapshot([])}, {1_000_000, snapshot([])}], :never)
             )
    end
  end

  describe "gone?/1" do
    test "is true once this node has been absent for disconnect_after, whether or not it has left" do
      gone = [{0, snapshot([@self])}, {1, snapshot([])}, {1_000, snapshot([])}]
      refute Membership.gone?(membership(gone))
      gone = gone ++ [{1_001, snapshot([])}]
      assert Membership.gone?(membership(gone))
      assert gone |> membership() |> Membership.left() |> Membership.gone?()
      refute Membership.gone?(membership(gone ++ [{1_002, snapshot([@self])}]))
    end
  end

  describe "before the first answer" do
    test "nothing is answered, and who is dismissed is gone at once, without an answer to confirm it" do
      new = Membership.new(1_000, 500, 0)
      refute new.answered?
      refute Membership.gone?(new)

      dismissed = Membership.dismiss(new, @self, 100)
      assert Membership.gone?(dismissed)
      assert Membership.departed(dismissed) == []
      refute Membership.unconfirmed?(dismissed, 1_000_000)
      refute Membership.gone?(Membership.observe(dismissed, @self, snapshot([]), 1_099))
    end
  end

  describe "same?/2" do
    test "is true of what differs in the time of the answer only" do
      one = membership([{0, snapshot([@self, "app@2"])}])
      assert Membership.same?(one, Membership.confirm(one, :present, 100))
      refute Membership.same?(one, membership([{0, snapshot([@self, "app@2"], ["app@3"])}]))
    end
  end

  describe "held/1" do
    test "is who is in the answer, and who is absent but not let go" do
      membership = membership([{0, snapshot(["app@2", "app@3"])}, {1, snapshot(["app@3"], ["app@4"])}])
      assert Enum.sort(Membership.held(membership)) == ["app@2", "app@3", "app@4"]
      assert Enum.sort(Membership.held(Membership.forget(membership, ["app@2"]))) == ["app@3", "app@4"]
    end
  end

  describe "confirm/3" do
    # Answers, and what happens between them, at random: whether an answer is taken in again or confirmed makes no
    # difference.
    test "is the same as taking in the last answer again" do
      names = [@self | Enum.map(2..5, &"app@#{&1}")]

      for seed <- 1..300 do
        :rand.seed(:exsss, {seed, 0, 0})
        some = fn -> Enum.filter(names, fn _ -> :rand.uniform(2) == 1 end) end

        Enum.reduce(1..12, {membership([{0, snapshot(some.())}]), nil}, fn step, {membership, last} ->
          now = step * 400

          case :rand.uniform(4) do
            1 ->
              {Membership.dismiss(membership, @self, now), last}

            2 ->
              {Membership.left(membership), last}

            3 when last != nil ->
              freshness = Enum.random([:present, :known])
              last = %{last | freshness: freshness}
              confirmed = Membership.confirm(membership, freshness, now)
              assert confirmed == Membership.observe(membership, @self, last, now), "seed #{seed}, step #{step}"
              {confirmed, last}

            _ ->
              answer = snapshot(some.(), some.(), some.())
              {Membership.observe(membership, @self, answer, now), answer}
          end
        end)
      end
    end
  end

  describe "changes/2" do
    test "counts who came and who is gone" do
      earlier = membership([{0, snapshot(["app@2", "app@3"], ["app@4"])}])
      later = membership([{0, snapshot(["app@3"], [], ["app@4", "app@5", "app@6"])}])
      assert Membership.changes(earlier, later) == {2, 1}
      assert Membership.changes(later, earlier) == {1, 2}
      assert Membership.changes(earlier, earlier) == {0, 0}
    end
  end

  describe "standings/1" do
    test "says of everybody but this node where it stands" do
      answers = [
        {0, snapshot([@self, "app@2", "app@3", "app@4", "app@5"])},
        {1, snapshot([@self, "app@2"], ["app@3"], ["app@4"])}
      ]

      assert answers |> membership() |> Membership.standings() |> Enum.sort() == [
               {"app@2", :ready},
               {"app@3", :not_ready},
               {"app@4", :draining},
               {"app@5", :absent}
             ]
    end
  end
end
