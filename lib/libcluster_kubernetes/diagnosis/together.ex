defmodule LibclusterKubernetes.Diagnosis.Together do
  @moduledoc false
  # What checks mean beside each other, so that nothing false stands after the cause.

  alias LibclusterKubernetes.Diagnosis.{Check, Members, Surroundings}
  alias LibclusterKubernetes.Native
  alias LibclusterKubernetes.Strategy.Sentences

  @spec weigh([Check.t()], Surroundings.t(), Native.facts()) :: [Check.t()]
  def weigh(checks, surroundings, facts) do
    failed = for %{status: :failed, name: name} <- checks, do: name
    connected = Members.all_connected(facts, surroundings)
    Enum.map(checks, &beside(&1, failed, connected))
  end

  # Whoever is connected to everybody is not kept from it by a name.
  defp beside(%{name: name, status: :failed} = check, _failed, connected)
       when name in [:node_name, :itself] and connected > 0 do
    found = Sentences.join(check.found, "Yet this node is connected to all of the #{connected} others")
    %{check | status: :warning, found: found}
  end

  # Of another name than the options build, it cannot be in the answer.
  defp beside(%{name: :itself, status: :failed} = check, failed, _connected) do
    if :node_name in failed,
      do: Check.skipped(:itself, "under the name that it has, it cannot be in the answer: see node_name"),
      else: check
  end

  # Three files of one folder.
  defp beside(%{name: name, status: :failed} = check, failed, _connected) when name in [:ca, :namespace] do
    if Enum.all?([:token, :ca, :namespace], &(&1 in failed)),
      do: Check.skipped(name, "cannot be read either: see token"),
      else: check
  end

  defp beside(check, _failed, _connected), do: check
end
