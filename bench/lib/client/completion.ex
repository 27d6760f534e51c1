defmodule LibclusterKubernetes.Bench.Client.Completion do
  @moduledoc "Knows when our strategy is done with a list."

  @doc "Makes a strategy tell this process about its lists, while `fun` runs."
  def observed(pid, fun) do
    :erlang.trace_pattern(:receive, [{[:_, :_, {:libcluster_kubernetes, :_, {:snapshot, :_}}], [], []}], [])
    :erlang.trace(pid, true, [:receive])
    fun.()
  after
    :erlang.trace(pid, false, [:receive])
  end

  @doc "Waits until the list is done that was asked for now."
  def await(pid) do
    receive do
      {:trace, ^pid, :receive, _} ->
        _ = :sys.get_state(pid)
        :ok
    after
      60_000 -> raise "a list did not end"
    end
  end
end
