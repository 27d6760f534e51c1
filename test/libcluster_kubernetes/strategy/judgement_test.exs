defmodule LibclusterKubernetes.Strategy.JudgementTest do
  use ExUnit.Case, async: true

  alias LibclusterKubernetes.Strategy.Judgement

  # This node is "a". What a list names, whom this node is connected to, who is suspected, and what follows.
  @cases [
    # Nobody is gone.
    {~w(a b c), ~w(b c), ~w(c), :nobody},
    {~w(a b c), ~w(b c), ~w(a), :nobody},
    {~w(a b c d), ~w(b), ~w(b), :nobody},
    # One of several is gone, and of those only who is suspected.
    {~w(a b), ~w(b c), ~w(c), {:ask, ~w(c)}},
    {~w(a b c), ~w(b c d e), ~w(e), {:ask, ~w(e)}},
    {~w(a b c x y z), ~w(b c d e), ~w(e d), {:ask, ~w(d e)}},
    # Exactly half is missing.
    {~w(a), ~w(b), ~w(b), {:ask, ~w(b)}},
    {~w(b), ~w(b), ~w(a), :leave},
    {~w(a b), ~w(b c d), ~w(c d), {:ask, ~w(c d)}},
    # This node is gone, whoever else is.
    {~w(b c), ~w(b c), ~w(a), :leave},
    {~w(b c), ~w(b c d), ~w(a d), :leave},
    # It is missing, too, but has not been for long.
    {~w(b c), ~w(b c d), ~w(d), {:ask, ~w(d)}},
    # Not about this cluster.
    {[], ~w(b c), ~w(b c), {:implausible, :empty}},
    {[], ~w(b), ~w(a), {:implausible, :empty}},
    {~w(x y z), ~w(b c), ~w(a b c), {:implausible, {:strangers, 3}}},
    {~w(x), ~w(b), ~w(a), {:implausible, {:strangers, 2}}},
    {~w(a x y), ~w(b c), ~w(b c), {:implausible, {:most_missing, 2, 3}}},
    {~w(a b), ~w(b c d e), ~w(c), {:implausible, {:most_missing, 3, 5}}},
    {~w(b), ~w(b c), ~w(a), {:implausible, {:most_missing, 2, 3}}}
  ]

  for {{named, connected, suspects, verdict}, index} <- Enum.with_index(@cases) do
    test "case #{index}: #{inspect(named)} of #{inspect(["a" | connected])}, suspected #{inspect(suspects)}" do
      assert judge(list(unquote(named)), unquote(connected), unquote(suspects)) == unquote(Macro.escape(verdict))
    end
  end

  test "whoever is in the list stays, ready or not, draining or not" do
    for standing <- [:ready, :not_ready, :draining] do
      list = Map.update!(list(~w(a b)), standing, &["c" | &1])
      assert judge(list, ~w(b c), ~w(c)) == :nobody
    end
  end

  test "a list that was cut short decides nothing, whatever it names" do
    for named <- [[], ~w(a b), ~w(a b c)] do
      list = %{list(named) | truncated: true}
      assert judge(list, ~w(b c), ~w(c)) == {:implausible, :truncated}
    end
  end

  defp judge(list, connected, suspects), do: Judgement.judge(list, "a", MapSet.new(connected), suspects)

  defp list(named), do: %{ready: named, not_ready: [], draining: [], truncated: false}
end
