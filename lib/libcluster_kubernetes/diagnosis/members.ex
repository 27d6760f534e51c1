defmodule LibclusterKubernetes.Diagnosis.Members do
  @moduledoc false
  # One check for each member, in parallel and bounded, those that are not connected first.

  alias LibclusterKubernetes.Diagnosis.{Check, Peer, Surroundings, Verdict}
  alias LibclusterKubernetes.Native

  @at_once 16

  @spec checks(Surroundings.t(), Native.facts(), limit :: non_neg_integer(), timeout :: pos_integer()) :: [Check.t()]
  def checks(surroundings, %{snapshot: {:ok, snapshot}}, limit, timeout) do
    members = snapshot.ready |> List.delete(surroundings.node) |> Enum.sort_by(&(&1 in surroundings.connected))

    cond do
      members == [] ->
        [Check.skipped(:member, "nobody to connect to")]

      not Surroundings.distributed?(surroundings) or not surroundings.longnames? ->
        [Check.skipped(:member, "this node has no long name to connect by")]

      true ->
        {chosen, rest} = Enum.split(members, limit)
        look(chosen, surroundings, timeout) ++ left_out(rest, surroundings)
    end
  end

  def checks(_surroundings, _facts, _limit, _timeout), do: [Check.skipped(:member)]

  # Epmd and name servers take their own time, so that the time of a member is kept here.
  defp look(members, surroundings, timeout) do
    members
    |> Task.async_stream(&Peer.look(&1, surroundings, timeout),
      max_concurrency: @at_once,
      timeout: 2 * timeout,
      on_timeout: :kill_task
    )
    |> Enum.zip(members)
    |> Enum.map(fn
      {{:ok, outcome}, member} -> Verdict.check(member, outcome)
      {{:exit, :timeout}, member} -> Verdict.check(member, {:timeout, 2 * timeout})
    end)
  end

  defp left_out([], _surroundings), do: []

  defp left_out(rest, surroundings) do
    connected = Enum.count(rest, &(&1 in surroundings.connected))
    found = "#{length(rest)} more were not looked at, of which #{connected} are connected (see the option :members)"
    [Check.skipped(:member, found)]
  end
end
