defmodule LibclusterKubernetes.Test.Prober do
  @moduledoc """
  Asks a process for its state, again and again, and keeps how long it took. What a loaded machine takes does not count:
  the time that a process at rest needs for its answer at the same moment, and the time that the VM's schedulers waited
  for a processor meanwhile.
  """
  use GenServer

  alias LibclusterKubernetes.Test.Topology

  @limit 100
  @every 25

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
    {:ok, control} = Agent.start_link(fn -> nil end)
    send(self(), :probe)
    {:ok, %{pid: pid, control: control, schedulers: schedulers(), count: 0, worst: 0, in_time?: true}}
  end

  @impl GenServer
  def handle_call(:count, _from, state), do: {:reply, state.count, state}
  def handle_call(:result, _from, state), do: {:reply, {state.worst, state.in_time?}, state}

  @impl GenServer
  def handle_info(:probe, state) do
    starved = starved(state.schedulers)
    # One beginning for both: what holds up the VM while the questions go out is nobody's fault.
    started = System.monotonic_time(:millisecond)
    questions = for pid <- [state.pid, state.control], do: Task.async(fn -> ask(pid, started) end)
    [own, control] = Task.await_many(questions, 30_000)
    in_time? = state.in_time? and (own <= @limit or own <= @limit + control + starved(state.schedulers) - starved)
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

  # The files in which Linux keeps how long a scheduler waited for a processor, in nanoseconds. They are of threads
  # called 1_scheduler, and erts_sched_1 since OTP 26.
  defp schedulers do
    [_ | _] =
      for path <- Path.wildcard("/proc/self/task/*/comm"),
          {:ok, name} <- [File.read(path)],
          name =~ ~r/\A(\d+_scheduler|erts_sched_\d+)$/,
          do: Path.join(Path.dirname(path), "schedstat")
  end

  defp starved(schedulers) do
    waits =
      for path <- schedulers, {:ok, text} <- [File.read(path)] do
        [_running, waiting, _slices] = String.split(text)
        String.to_integer(waiting)
      end

    div(Enum.sum(waits), 1_000_000)
  end
end
