defmodule LibclusterKubernetes.Strategy.Waiters do
  @moduledoc false
  # Who waits for a topology, and for what. Only while somebody does, its process hears of nodes that come up by
  # themselves.

  alias LibclusterKubernetes.Strategy.{Dialing, Membership}

  @type peers :: pos_integer() | nil
  @type t :: [{GenServer.from(), peers(), timer :: reference()}]
  @typedoc "Whether the first answer was acted on, and how many nodes are connected."
  @type progress :: %{answered?: boolean(), peers: non_neg_integer()}

  @spec add(t(), GenServer.from(), peers(), timeout :: non_neg_integer()) :: t()
  def add(waiters, from, peers, timeout) do
    if waiters == [], do: :net_kernel.monitor_nodes(true)
    [{from, peers, Process.send_after(self(), {:await_over, from}, timeout)} | waiters]
  end

  @doc """
  Whoever is connected counts, though no answer names it yet: it may be ready later, or have connected by itself. But not
  a shell or another hidden node that is no member.
  """
  @spec progress(Membership.t(), Dialing.t(), connected :: MapSet.t(String.t()), hidden :: MapSet.t(String.t())) ::
          progress()
  def progress(membership, dialing, connected, hidden) do
    guests = MapSet.difference(hidden, Membership.members(membership, hidden))
    tried? = Enum.all?(Membership.missing(membership), &(&1 in connected or Dialing.tried?(dialing, &1)))
    %{answered?: membership.answered? and tried?, peers: connected |> MapSet.difference(guests) |> MapSet.size()}
  end

  @doc "Whether somebody waits for connected members, who may all be waiting and become ready only after that."
  @spec for_peers?(t()) :: boolean()
  def for_peers?(waiters), do: Enum.any?(waiters, fn {_from, peers, _timer} -> peers != nil end)

  @doc "Answers those who have waited for so much."
  @spec answer(t(), progress()) :: t()
  def answer(waiters, progress), do: dismiss(waiters, fn _from, peers -> ending(peers, progress) end)

  @doc "Answers the one whose time is over."
  @spec time_over(t(), GenServer.from()) :: t()
  def time_over(waiters, waiter), do: dismiss(waiters, fn from, _peers -> if from == waiter, do: {:error, :timeout} end)

  defp ending(nil, %{answered?: true}), do: {:ok, :answered}
  defp ending(wanted, %{peers: peers}) when is_integer(wanted) and peers >= wanted, do: {:ok, :peers}
  defp ending(_wanted, _progress), do: nil

  # `ending` says how it is over, or nil.
  defp dismiss([], _ending), do: []

  defp dismiss(waiters, ending) do
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
