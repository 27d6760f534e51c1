defmodule LibclusterKubernetes.Readiness do
  @moduledoc false
  # When a topology's node counts as part of its cluster, for the first time; see LibclusterKubernetes.ready?/1.

  alias LibclusterKubernetes.Info

  @doc "`info` is asked for until it has been `true` once."
  @spec ready?(atom(), (... -> {:ok, Info.t()} | {:error, :not_found})) :: boolean()
  def ready?(topology, info) do
    # Written once, so that no process pays for a change of it.
    key = {__MODULE__, topology}

    cond do
      :persistent_term.get(key, false) -> true
      joined?(info.()) -> :persistent_term.put(key, true) == :ok
      true -> false
    end
  end

  @doc """
  Whether a node has joined: one connection is enough, as members that are dead may be in the answers for a while, and
  distribution connects the others. Where nobody else is ready, all may be at their first start and wait for each other.
  """
  @spec joined?({:ok, Info.t()} | {:error, :not_found}) :: boolean()
  def joined?({:error, :not_found}), do: false
  def joined?({:ok, %{resource_version: nil}}), do: false

  def joined?({:ok, %{members: members}}) do
    Enum.any?(members, & &1.connected?) or not Enum.any?(members, &(&1.standing == :ready))
  end
end
