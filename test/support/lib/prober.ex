defmodule LibclusterKubernetes.Test.Prober do
  @moduledoc """
  Asks a process for its state, again and again, and keeps how long it took. Processes that do nothing are asked at the
  same moment: on a loaded machine they are late, too.
  """
  use GenServer

  alias LibclusterKubernetes.Test.Topology

  @limit 100
  @every 25
  # Enough of them that each scheduler, and each processor that is taken away from the VM, delays one.
  @controls 8

  def start_link(pid), do: GenServer.start_link(__MODULE__, pid)

  @doc "Waits until the process has been asked so many times more."
  def await_probes(prober, count) do
    target = GenServer.call(prober, :count) + count
    Topology.wait_until(fn -> GenServer.call(prober, :count) >= target end, 30_000)
  end

  @doc "Ends it: the longest time of the process, in milliseconds, and whether each answer came in time."
  def stop(prober) do
    result = GenServer.call(prober, :result, 30_000)
    GenServer.stop(prober)
    result
  end

  @impl GenServer
  def init(pid) do
    controls = for _ <- 1..@controls, do: elem(Agent.start_link(fn -> nil end), 1)
    send(self(), :probe)
    {:ok, %{pid: pid, controls: controls, count: 0, worst: 0, in_time?: true}}
  end

  @impl GenServer
  def handle_call(:count, _from, state), do: {:reply, state.count, state}
  def handle_call(:result, _from, state), do: {:reply, {state.worst, state.in_time?}, state}

  @impl GenServer
  def handle_info(:probe, state) do
    # One beginning for all: what holds up the VM while the questions go out is nobody's fault.
    started = System.monotonic_time(:millisecond)

    [own | controls] =
      [state.pid | state.controls]
      |> Enum.map(fn pid -> Task.async(fn -> ask(pid, started) end) end)
      |> Task.await_many(30_000)

    in_time? = state.in_time? and own <= @limit + if(own > @limit, do: Enum.max(controls), else: 0)
    Process.send_after(self(), :probe, @every)
    {:noreply, %{state | count: state.count + 1, worst: max(state.worst, own), in_time?: in_time?}}
  end

  # A process that is gone owes no answer: its death is noticed by others.
  defp ask(pid, started) do
    try do
      :sys.get_state(pid, 20_000)
    catch
      :exit, _late_or_gone -> :ok
    end

    System.monotonic_time(:millisecond) - started
  end
end
