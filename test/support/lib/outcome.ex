defmodule LibclusterKubernetes.Test.Outcome do
  @moduledoc "What comes of asking the API with these options: a watch, polls, or an error, each with the verb that is not allowed."

  import ExUnit.Assertions, only: [flunk: 1]

  alias LibclusterKubernetes.Native

  @doc "`:watches`, `{:polls, verb}` or `{:error, kind, verb}`, once it is clear which."
  def of(options) do
    {:ok, {worker, ref} = started} = Native.start(options, self())
    outcome = first(started)
    :ok = Native.stop(worker)
    flush(ref)
    outcome
  end

  defp first({worker, ref} = started) do
    receive do
      {:libcluster_kubernetes, ^ref, :watching} ->
        :watches

      {:libcluster_kubernetes, ^ref, {:error, %{kind: kind, advice: advice}}} ->
        [_, verb] = Regex.run(~r/verb "(\w+)"/, advice)
        {:error, kind, verb}

      {:libcluster_kubernetes, ^ref, {:changed, _mark, _gone, %{warnings: [warning]}}} ->
        [_, verb] = Regex.run(~r/verb "(\w+)".*Until then it polls/, warning)
        {:polls, verb}

      {:libcluster_kubernetes, ^ref, {:snapshot, _}} ->
        :ok = Native.acknowledge(worker, ref)
        first(started)

      {:libcluster_kubernetes, ^ref, _report} ->
        first(started)
    after
      5_000 -> flunk("neither a watch nor an error came")
    end
  end

  defp flush(ref) do
    receive do
      {:libcluster_kubernetes, ^ref, _} -> flush(ref)
    after
      0 -> :ok
    end
  end
end
