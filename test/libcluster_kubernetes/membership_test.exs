defmodule LibclusterKubernetes.MembershipTest do
  use ExUnit.Case, async: true

  alias LibclusterKubernetes.Membership

  @self "app@1"

  defp snapshot(ready, not_ready \\ [], draining \\ []), do: %{ready: ready, not_ready: not_ready, draining: draining}

  # Waits 1,000 ms, and 600 ms more for others than this node.
  defp membership(snapshots, disconnect_after \\ 1_000) do
    Enum.reduce(snapshots, Membership.new(disconnect_after, 500), fn {now, snapshot}, membership ->
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

  describe "departed/2" do
    test "is nobody that is in the answer, ready or not, draining or not" do
      membership =
        membership([
          {0, snapshot([@self, "app@2", "app@3"])},
          {1, snapshot([@self], ["app@2"], ["app@3"])}
        ])

      assert Membership.departed(membership, 1_000_000) == []
    end

    test "is who has been absent for disconnect_after and the courtesy" do
      membership = membership([{0, snapshot([@self, "app@2"])}, {100, snapshot([@self])}])
      assert Membership.departed(membership, 1_699) == []
      assert Membership.departed(membership, 1_700) == ["app@2"]
      assert Membership.next_deadline(membership, 100) == 1_700
    end

    test "counts from the first absence, and anew after a return" do
      absent = [{0, snapshot([@self, "app@2"])}, {100, snapshot([@self])}, {900, snapshot([@self])}]
      assert Membership.departed(membership(absent), 1_700) == ["app@2"]

      back = absent ++ [{1_000, snapshot([@self, "app@2"])}, {1_500, snapshot([@self])}]
      assert Membership.departed(membership(back), 3_099) == []
      assert Membership.departed(membership(back), 3_100) == ["app@2"]
    end

    test "is immediate with 0, and nobody with :never" do
      answers = [{0, snapshot([@self, "app@2"])}, {100, snapshot([@self])}]
      assert Membership.departed(membership(answers, 0), 100) == ["app@2"]
      assert Membership.departed(membership(answers, :never), 1_000_000) == []
      assert Membership.next_deadline(membership(answers, :never), 0) == nil
      assert Membership.held(membership(answers, :never)) == [@self]
    end

    test "is nobody while this node is itself absent" do
      membership = membership([{0, snapshot([@self, "app@2", "app@3"])}, {1, snapshot(["app@3"])}])
      assert Membership.departed(membership, 1_000_000) == []
    end
  end

  describe "leave?/2" do
    test "is true once this node has been absent for disconnect_after, before the others disconnect it" do
      membership = membership([{0, snapshot([@self, "app@2"])}, {100, snapshot(["app@2"])}])
      refute Membership.leave?(membership, 1_099)
      assert Membership.leave?(membership, 1_100)
      assert Membership.next_deadline(membership, 100) == 1_100
      refute Membership.leave?(Membership.observe(membership, @self, snapshot([@self]), 1_200), 1_000_000)
    end

    test "is false for a node that was never a member, and with :never" do
      refute Membership.leave?(membership([{0, snapshot(["app@2"])}, {1, snapshot([])}]), 1_000_000)
      never = membership([{0, snapshot([@self])}, {1, snapshot([])}], :never)
      refute Membership.leave?(never, 1_000_000)
    end
  end

  describe "held/1" do
    test "is who is in the answer, and who is absent but not let go" do
      membership = membership([{0, snapshot(["app@2", "app@3"])}, {1, snapshot(["app@3"], ["app@4"])}])
      assert Enum.sort(Membership.held(membership)) == ["app@2", "app@3", "app@4"]
      assert Enum.sort(Membership.held(Membership.forget(membership, ["app@2"]))) == ["app@3", "app@4"]
    end
  end
end
