defmodule LibclusterKubernetes.Bench.Client.Lateness do
  @moduledoc """
  How late a process can be on a scheduler that is busy. The VM has one scheduler, which a process of normal priority keeps
  busy; one of high priority wants to run every millisecond and notes how long it was kept waiting beyond that.

  The second witness is the VM itself: the longest time that it saw a process or port run without a pause.
  """

  @doc "Runs `polls` polls, or waits for `ms`, and answers the worst of that time in microseconds."
  def measure({:wait, ms}), do: measured(fn -> Process.sleep(ms) end)

  def measure({:polls, count}) do
    measured(fn -> LibclusterKubernetes.Bench.Client.Subject.polls(count, 20) end)
  end

  defp measured(fun) do
    watcher = spawn_link(fn -> watch_schedules(0) end)
    :erlang.system_monitor(watcher, [{:long_schedule, 1}])
    busy = spawn_link(&busy/0)
    ticker = Process.spawn(fn -> tick(now(), 0) end, [:link, priority: :high])
    fun.()
    worst = ask(ticker)
    longest = ask(watcher)
    :erlang.system_monitor(:undefined)
    Process.unlink(busy)
    Process.exit(busy, :kill)
    %{worst: worst, long_schedule: longest * 1_000}
  end

  defp tick(last, worst) do
    receive do
      {:stop, from} -> send(from, {self(), worst})
    after
      1 ->
        now = now()
        tick(now, max(worst, now - last - 1_000))
    end
  end

  defp watch_schedules(longest) do
    receive do
      {:monitor, _, :long_schedule, info} -> watch_schedules(max(longest, info[:timeout]))
      {:stop, from} -> send(from, {self(), longest})
    end
  end

  defp ask(pid) do
    Process.unlink(pid)
    send(pid, {:stop, self()})

    receive do
      {^pid, answer} -> answer
    end
  end

  defp busy, do: busy()
  defp now, do: System.monotonic_time(:microsecond)
end
