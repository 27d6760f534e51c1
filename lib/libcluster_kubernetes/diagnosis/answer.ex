defmodule LibclusterKubernetes.Diagnosis.Answer do
  @moduledoc false
  # What the API answered to the list: nothing to go on with, an error, or objects that give names.

  alias LibclusterKubernetes.Diagnosis.{Check, Names, Objects, Surroundings}
  alias LibclusterKubernetes.{Native, Options}

  @spec checks(Options.t(), Surroundings.t(), Native.facts()) :: [Check.t()]
  def checks(options, surroundings, facts) do
    case facts.snapshot do
      {:ok, snapshot} ->
        [Objects.check(options, facts) | Names.checks(options, snapshot, surroundings)]

      # What the role says of it is a check of its own.
      {:error, %{kind: kind} = error} when kind != :forbidden ->
        [Check.failed(:objects, error.message, error.advice), Check.skipped(:names), Check.skipped(:itself)]

      _not_listed ->
        Enum.map([:objects, :names, :itself], &Check.skipped/1)
    end
  end
end
