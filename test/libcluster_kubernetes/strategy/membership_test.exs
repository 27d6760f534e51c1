defmodule LibclusterKubernetes.Strategy.MembershipTest do
  use ExUnit.Case, async: true

  alias LibclusterKubernetes.Strategy.Membership

  @self "app@1"

  defp snapshot(ready, not_ready \\ [], draining \\ []) do
    %{ready: ready, not_ready: not_ready, draining: draining, truncated: false}
  end

  # Waits 1,000 ms.
  defp membership(answers, disconnect_after \\ 1_000) do
    Enum.reduce(answers, Membership.new(disconnect_after), fn {now, snapshot}, membership ->
      Membership.observe(membership, @self, snapshot, now)
    end)
  end

  defp meet(membership, connected, in_flight \\ []) do
    lost = Enum.to_list(membership.met) -- connected
    Membership.meet(membership, MapSet.new(connected), lost, Map.new(in_flight, &{&1, 0}))
  end

  # Once all links are lost.
  defp wanted(membership, not_ready? \\ false),
    do: membership |> meet([], Map.keys(membership.absent)) |> Membership.missing(not_ready?) |> Enum.sort()

  defp suspects(membership, connected, now),
    do: membership |> Membership.suspects(MapSet.new(connected), now) |> Enum.sort()

  describe "missing/2" do
    test "is what is ready, without this node" do
      assert wanted(membership([{0, snapshot([@self, "app@2", "app@3"], ["app@4"], ["app@5"])}])) == ["app@2", "app@3"]
    end

    test "includes the others where this node was never a member" do
      assert wanted(membership([{0, snapshot(["app@2"])}])) == ["app@2"]
    end

    test "includes whoever was connected and is in the answer, ready or not, draining or not" do
      met = [{0, snapshot([@self, "app@2", "app@3", "app@4"])}] |> membership() |> meet(["app@2", "app@3", "other@9"])
      answer = snapshot([@self], ["app@2", "app@4"], ["app@3"])
      assert met |> Membership.observe(@self, answer, 1) |> wanted() == ["app@2", "app@3"]
    end

    test "is, for whoever waits for peers, those that are not ready as well" do
      answer = snapshot(["app@2"], [@self, "app@3"], ["app@4"])
      assert wanted(membership([{0, answer}]), true) == ["app@2", "app@3"]
      assert wanted(membership([{0, snapshot(["app@2"], ["app@3"], [@self])}]), true) == []
    end

    test "is, while this node drains or is absent, only who was connected" do
      met = [{0, snapshot([@self, "app@2", "app@3"])}] |> membership() |> meet(["app@2"])

      for answer <- [snapshot(["app@2", "app@3"], [], [@self]), snapshot(["app@2", "app@3"])] do
        assert met |> Membership.observe(@self, answer, 1) |> wanted() == ["app@2"]
      end
    end

    test "is nobody once this node has left, and everybody when an answer names it" do
      here = snapshot([@self, "app@2"])
      left = [{0, here}, {1, snapshot(["app@2"])}] |> membership() |> meet(["app@2"]) |> Membership.left()
      assert wanted(left) == []
      assert left |> Membership.confirm() |> wanted() == []
      assert left |> Membership.observe(@self, here, 2) |> wanted() == ["app@2"]
    end

    test "is everybody when an answer that says the same names a node that left because it was asked to" do
      left = [{0, snapshot([@self, "app@2"])}] |> membership() |> Membership.left()
      assert wanted(left) == []
      assert left |> Membership.confirm() |> wanted() == ["app@2"]
    end
  end

  describe "suspects/3" do
    test "are none of those in the answer, ready or not, draining or not" do
      answers = [{0, snapshot([@self, "app@2", "app@3"])}, {1, snapshot([@self], ["app@2"], ["app@3"])}]
      assert suspects(membership(answers), ["app@2", "app@3"], 1_000_000) == []
    end

    test "are those who have been absent for disconnect_after" do
      membership = membership([{0, snapshot([@self, "app@2"])}, {100, snapshot([@self])}, {900, snapshot([@self])}])
      assert suspects(membership, ["app@2"], 1_099) == []
      assert Membership.next_due(membership, 1_099) == 1_100
      assert suspects(membership, ["app@2"], 1_100) == ["app@2"]
      assert suspects(membership, [], 1_100) == []
      assert Membership.next_due(membership, 1_100) == nil
    end

    test "count anew after a return" do
      answers = [
        {0, snapshot([@self, "app@2"])},
        {100, snapshot([@self])},
        {1_000, snapshot([@self, "app@2"])},
        {1_500, snapshot([@self])}
      ]

      assert suspects(membership(answers), ["app@2"], 2_499) == []
      assert suspects(membership(answers), ["app@2"], 2_500) == ["app@2"]
    end

    test "are suspected ever more rarely when they were judged and stay, at last once an hour" do
      absent = membership([{0, snapshot([@self, "app@2"])}, {0, snapshot([@self])}])

      {waits, _} =
        Enum.map_reduce(1..20, absent, fn _, absent ->
          now = Membership.next_due(absent, -1)
          absent = Membership.postpone(absent, ["app@2", "app@3"], now)
          {Membership.next_due(absent, now) - now, absent}
        end)

      assert Enum.take(waits, 3) == [2_000, 4_000, 8_000]
      assert List.last(waits) == 3_600_000
    end

    test "include this node only where it is connected to a member" do
      gone = membership([{0, snapshot([@self, "app@2"])}, {0, snapshot(["app@2"])}])
      assert suspects(gone, ["app@2"], 1_000) == [@self]
      assert suspects(gone, ["other@9"], 1_000) == []
    end

    test "do not include this node once it has left, whoever connects to it again" do
      left = [{0, snapshot([@self, "app@2"])}, {0, snapshot(["app@2"])}] |> membership() |> Membership.left()
      assert suspects(left, ["app@2"], 1_000) == []

      back =
        left |> Membership.observe(@self, snapshot([@self]), 1) |> Membership.observe(@self, snapshot(["app@2"]), 2)

      assert suspects(back, ["app@2"], 1_002) == [@self]
    end

    test "are nobody with :never" do
      gone = membership([{0, snapshot([@self, "app@2"])}, {0, snapshot([])}], :never)
      assert suspects(gone, ["app@2"], 1_000_000) == []
      assert Membership.next_due(gone, 0) == nil
    end
  end

  describe "meet/4" do
    test "forgets the absent whose connections are closed, but not this node, nor whom a dial may reach" do
      absent = membership([{0, snapshot([@self, "app@2", "app@3", "app@4"])}, {0, snapshot([])}])
      assert absent.absent |> Map.keys() |> Enum.sort() == [@self, "app@2", "app@3", "app@4"]
      met = meet(absent, ["app@2"], ["app@3"])
      assert met.absent |> Map.keys() |> Enum.sort() == [@self, "app@2", "app@3"]
      assert Membership.forgotten(absent, met) == ["app@4"]
    end

    test "meets members only" do
      met = [{0, snapshot([@self, "app@2", "app@3"])}] |> membership() |> meet([@self, "app@2", "other@9"])
      assert met.met == MapSet.new(["app@2"])
      assert Membership.members(met, MapSet.new(["app@2", "other@9", @self])) == MapSet.new(["app@2"])
    end
  end

  test "whoever was judged to be gone is so until an answer names it" do
    gone = [{0, snapshot([@self, "app@2"])}, {1, snapshot(["app@2"])}] |> membership() |> Membership.gone()
    assert gone.gone?
    assert Membership.observe(gone, @self, snapshot(["app@2", "app@3"]), 2).gone?
    refute Membership.observe(gone, @self, snapshot([], [@self]), 2).gone?
  end

  test "changes/2 counts who came and who went" do
    before = membership([{0, snapshot([@self, "app@2", "app@3"])}])
    later = Membership.observe(before, @self, snapshot([@self, "app@4"], ["app@2"], ["app@5"]), 1)
    assert Membership.changes(before, later) == {2, 1}
  end

  test "standings/1 says of every other member what the answers say" do
    answers = [{0, snapshot([@self, "app@2", "app@5"])}, {1, snapshot(["app@2", @self], ["app@3"], ["app@4"])}]

    assert answers |> membership() |> Membership.standings() |> Enum.sort() ==
             [{"app@2", :ready}, {"app@3", :not_ready}, {"app@4", :draining}, {"app@5", :absent}]
  end
end
