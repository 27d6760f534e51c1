defmodule LibclusterKubernetes.Diagnosis.Members do
  @moduledoc false
  # How far this node gets with each member, in parallel and bounded, those that are not connected first.

  alias LibclusterKubernetes.Diagnosis.{Check, Peer, Surroundings, Verdict}
  alias LibclusterKubernetes.Native

  @at_once 16

  @spec checks(Surroundings.t(), Native.facts(), limit :: non_neg_integer(), timeout :: pos_integer()) :: [Check.t()]
  def checks(surroundings, facts, limit, timeout) do
    members = facts |> others(surroundings) |> Enum.sort_by(&(&1 in surroundings.connected))

    cond do
      not match?(%{snapshot: {:ok, _}}, facts) ->
        [Check.skipped(:member)]

      members == [] ->
        [Check.skipped(:member, "nobody to connect to")]

      Surroundings.eval?(surroundings) ->
        [Check.skipped(:member, "this VM, of eval, is not distributed")]

      not Surroundings.named?(surroundings) ->
        [Check.skipped(:member, "this node has no long name to connect by")]

      true ->
        {chosen, rest} = Enum.split(members, limit)
        (chosen |> look(surroundings, timeout) |> Verdict.checks(surroundings)) ++ left_out(rest, surroundings)
    end
  end

  @doc "How many ready members there are beside this node, if it is connected to all of them; else 0."
  @spec all_connected(Native.facts(), Surroundings.t()) :: non_neg_integer()
  def all_connected(facts, surroundings) do
    others = others(facts, surroundings)
    if others -- surroundings.connected == [], do: length(others), else: 0
  end

  # Not this pod, under whatever name.
  defp others(%{snapshot: {:ok, snapshot}}, surroundings) do
    Enum.reject(snapshot.ready, &(host(&1) == host(surroundings.node)))
  end

  defp others(_facts, _surroundings), do: []

  defp host(name), do: name |> String.split("@", parts: 2) |> List.last()

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
      {{:ok, outcome}, member} -> {member, outcome}
      {{:exit, :timeout}, member} -> {member, {:timeout, 2 * timeout}}
    end)
  end

  defp left_out([], _surroundings), do: []

  defp left_out(rest, surroundings) do
    connected = Enum.count(rest, &(&1 in surroundings.connected))
    found = "#{length(rest)} more were not looked at, of which #{connected} are connected (see the option :members)"
    [Check.skipped(:member, found)]
  end
end
