defmodule LibclusterKubernetes.Bench.Proc do
  @moduledoc "CPU and memory of an operating system's process with all its threads, from Linux's /proc."

  # The kernel's USER_HZ, 100 on every architecture that matters.
  @tick_ns 10_000_000

  @doc """
  Nanoseconds of CPU that a process has used.

  The sum of its threads' run times is exact but forgets threads that ended; utime + stime remembers them but comes in
  ticks. Both are lower bounds, so the larger one counts.
  """
  @spec cpu_ns(pos_integer()) :: non_neg_integer()
  def cpu_ns(pid), do: max(threads_ns(pid), ticks(pid) * @tick_ns)

  @doc "Bytes of memory that a process has now."
  def resident(pid), do: status_kb(pid, "VmRSS") * 1024

  @doc "Bytes of memory that a process had at most since `reset_peak/1`."
  def peak(pid), do: status_kb(pid, "VmHWM") * 1024

  @doc "Begins a new `peak/1`."
  def reset_peak(pid), do: File.write!("/proc/#{pid}/clear_refs", "5")

  @doc "The threads of a process, with their names."
  @spec threads(pos_integer()) :: [{String.t(), String.t()}]
  def threads(pid) do
    for thread <- File.ls!("/proc/#{pid}/task"),
        {:ok, name} <- [File.read("/proc/#{pid}/task/#{thread}/comm")],
        do: {thread, String.trim(name)}
  end

  defp threads_ns(pid) do
    for thread <- File.ls!("/proc/#{pid}/task"),
        # Without CONFIG_SCHED_INFO there is no such file; a thread may have ended meanwhile.
        {:ok, schedstat} <- [File.read("/proc/#{pid}/task/#{thread}/schedstat")],
        reduce: 0 do
      sum -> sum + (schedstat |> String.split() |> hd() |> String.to_integer())
    end
  end

  defp ticks(pid) do
    # The name in parentheses may have spaces; utime and stime are the 14th and 15th of all fields.
    [_, rest] = "/proc/#{pid}/stat" |> File.read!() |> String.split(") ", parts: 2)
    rest |> String.split() |> Enum.slice(11, 2) |> Enum.map(&String.to_integer/1) |> Enum.sum()
  end

  defp status_kb(pid, field) do
    [_, kb] = Regex.run(~r/^#{field}:\s+(\d+) kB$/m, File.read!("/proc/#{pid}/status"))
    String.to_integer(kb)
  end
end
