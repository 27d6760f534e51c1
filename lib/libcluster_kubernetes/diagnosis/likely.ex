defmodule LibclusterKubernetes.Diagnosis.Likely do
  @moduledoc false
  # Why members cannot be connected to, most likely: for one line of a topology's log, which names `diagnose` for the rest.

  alias LibclusterKubernetes.Diagnosis.{Peer, Surroundings, Verdict}

  # Several of them, as one alone may be down for a reason of its own.
  @looked_at 3
  @timeout 2_000

  @doc "What most of these say; `nil` where this node cannot tell, or is connected to them by now."
  @spec reason([String.t()]) :: String.t() | nil
  def reason(members) do
    surroundings = Surroundings.now()

    if Surroundings.named?(surroundings),
      do: members |> Enum.take(@looked_at) |> look(surroundings) |> most_frequent(surroundings),
      else: nil
  end

  defp look(members, surroundings) do
    members
    |> Task.async_stream(&Peer.look(&1, surroundings, @timeout), timeout: 2 * @timeout, on_timeout: :kill_task)
    |> Enum.zip(members)
    |> Enum.flat_map(fn
      {{:ok, :connected}, _member} -> []
      {{:ok, outcome}, member} -> [{member, outcome}]
      {{:exit, :timeout}, member} -> [{member, {:timeout, 2 * @timeout}}]
    end)
  end

  defp most_frequent([], _surroundings), do: nil

  defp most_frequent(outcomes, surroundings) do
    [%{found: found} | _] = Verdict.checks(outcomes, surroundings)
    found
  end
end
