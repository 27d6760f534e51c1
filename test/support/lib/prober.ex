defmodule LibclusterKubernetes.Test.Prober do
  @moduledoc """
  Asks a process for its state, again and again, and keeps how long it took. A process that does nothing is asked at the
  same moment: on a loaded machine it is late, too.
  """
  use GenServer

  alias LibclusterKubernetes.Test.Topology

  @limit 100
  @every 25

  def start_link(pid), do: GenServer.start_link(__MODULE__, pid)

  @doc "Waits until the process has been asked so many times more."
  def await_probes(prober, count) do
    target = GenServer.call(prober, :count) + count
    Topology.wait_until(fn -> GenServer.call(prober, :count) >= target end)
  end

  @doc "Ends it: the longest time of the process, in milliseconds, and whether each answer came in time."
  def stop(prober) do
    result = GenServer.call(prober, :result, 30_000)
    GenServer.stop(prober)
    result
  end

  @impl GenServer
  def init(pid) do
    {:ok, control} = Agent.start_link(fn -> nil end)
    send(self(), :probe)
    {:ok, %{pid: pid, control: control, count: 0, worst: 0, in_time?: true}}
  end

  @impl GenServer
  def handle_call(:count, _from, state), do: {:reply, state.count, state}
  def handle_call(:result, _from, state), do: {:reply, {state.worst, state.in_time?}, state}

  @impl GenServer
  def handle_info(:probe, state) do
    [own, control] = [state.pid, state.control] |> Enum.map(&Task.async(fn -> ask(&1) end)) |> Task.await_many(20_000)
    in_time? = state.in_time? and own <= max(@limit, control + @limit)
    Process.send_after(self(), :probe, @every)
    {:noreply, %{state | count: state.count + 1, worst: max(state.worst, own), in_time?: in_time?}}
  end

  # A process that is gone owes no answer: its death is noticed by others.
  defp ask(pid) do
    started = System.monotonic_time(:millisecond)

    try do
      :sys.get_state(pid, 10_000)
    catch
      :exit, {:timeout, _} -> :ok
      :exit, _gone -> :ok
    end

    System.monotonic_time(:millisecond) - started
  end
end
