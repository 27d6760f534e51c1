defmodule LibclusterKubernetes.Departure do
  @moduledoc false
  # How a live node that is gone from the answers leaves without cost to the others.
  #
  # An explicit disconnect makes `global` (`prevent_overlapping_partitions`, OTP 25) cut links between nodes that are
  # members. A node that leaves by itself, with `:global.disconnect/0`, costs none. It does so when it sees itself gone;
  # but it may not see that: its own view of the API is broken, it was named for less than one of its polls, or its
  # strategy has restarted meanwhile. So it is asked first, and disconnected only where nobody there can answer.
  #
  #     the node that asks                      the node that is gone
  #     ask/3 ── topology ────────────────────▶ asked/1
  #                                             its own healthy view names it, or another topology there holds nodes:
  #                                               it stays, and so does the link
  #     :left, :stays or :unknown ◀──────────── else it leaves everybody, until it is named again

  alias LibclusterKubernetes.Holdings

  @type verdict :: :left | :stays | :unknown

  @doc "Asks these nodes to leave. `:unknown` are those where this package does not run this topology."
  @spec ask([node()], atom(), timeout()) :: [{node(), verdict()}]
  def ask(nodes, topology, timeout \\ 5_000) do
    answers = :erpc.multicall(nodes, __MODULE__, :asked, [topology], timeout)
    Enum.zip_with(nodes, answers, &{&1, verdict(&2)})
  end

  @doc "The answer of the node that is asked; it leaves after having given it."
  @spec asked(atom()) :: verdict()
  def asked(topology) do
    {own, others} = Enum.split_with(Holdings.all(), &match?({_pid, {^topology, _names}}, &1))

    cond do
      own == [] -> :unknown
      Enum.any?(others, fn {_pid, {_topology, names}} -> not Enum.empty?(names) end) -> :stays
      true -> own |> Enum.map(fn {pid, _} -> GenServer.call(pid, :leave_unless_member) end) |> Enum.min_by(&rank/1)
    end
  end

  defp rank(:stays), do: 0
  defp rank(:left), do: 1

  defp verdict({:ok, verdict}), do: verdict
  # It is gone, and whether by its own doing does not matter.
  defp verdict({:error, {:erpc, :noconnection}}), do: :left
  defp verdict(_failure), do: :unknown
end
