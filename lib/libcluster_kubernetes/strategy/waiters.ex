defmodule LibclusterKubernetes.Strategy.Waiters do
  @moduledoc false
  # Who waits for a topology, and for what. Only while somebody does, its process hears of nodes that come up by
  # themselves.

  @type peers :: pos_integer() | nil
  @type t :: [{GenServer.from(), peers(), timer :: reference()}]

  @spec add(t(), GenServer.from(), peers(), timeout :: non_neg_integer()) :: t()
  def add(waiters, from, peers, timeout) do
    if waiters == [], do: :net_kernel.monitor_nodes(true)
    [{from, peers, Process.send_after(self(), {:await_over, from}, timeout)} | waiters]
  end

  @doc "Answers those for whom it is over: `ending` says how, or nil."
  @spec answer(t(), (GenServer.from(), peers() -> atom() | nil)) :: t()
  def answer([], _ending), do: []

  def answer(waiters, ending) do
    left =
      Enum.reject(waiters, fn {from, peers, timer} ->
        if answer = ending.(from, peers) do
          Process.cancel_timer(timer)
          GenServer.reply(from, answer)
        end
      end)

    if left == [], do: :net_kernel.monitor_nodes(false)
    left
  end
end
