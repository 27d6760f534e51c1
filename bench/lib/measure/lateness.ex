defmodule LibclusterKubernetes.Bench.Measure.Lateness do
  @moduledoc """
  The worst lateness of a process on a busy scheduler while a long list of pods is asked for and parsed, and while nothing
  is. See `Client.Lateness`.

  The scheduler's thread has a CPU of its own, and everything else the others: else the lateness would be that of the
  operating system, which shares a CPU between the server and the scheduler. A figure is the median of the rounds' worst: what
  lists do to a scheduler they do in every round, a machine that takes the CPU away does it in some.
  """

  alias LibclusterKubernetes.Bench.{Client, Figure, Plan, Proc, Server, Setting}
  alias LibclusterKubernetes.Bench.Client.Lateness

  def run(%{plan: plan} = setting) do
    members = Plan.largest(plan)
    at = {:pods, members}
    clients = for who <- Setting.subjects(setting, :pods), do: {who, client(setting, who, members)}
    nothing = {:nobody, {clients[:ours].client, {:wait, plan.lateness_ms}}}
    lists = for {who, %{client: client, count: count}} <- clients, do: {who, {client, {:polls, count}}}

    pinned(setting, Enum.map(clients, fn {_, %{client: client}} -> client end), fn ->
      samples =
        for _ <- 1..plan.lateness_rounds, {who, {client, what}} <- [nothing | lists] do
          {who, Client.call(client, Lateness, :measure, [what], 600_000)}
        end

      for {who, samples} <- Enum.group_by(samples, &elem(&1, 0), &elem(&1, 1)),
          {measure, key} <- [lateness_worst: :worst, lateness_long_schedule: :long_schedule],
          do: Figure.new(measure, at, who, :us, Enum.map(samples, & &1[key]))
    end)
    |> tap(fn _ -> for {_, %{client: client}} <- clients, do: Client.stop(client) end)
  end

  defp client(%{plan: plan} = setting, who, members) do
    namespace = Server.namespace(:pods, members)
    client = Setting.start_client!(setting, who, :pods, namespace, members, flags: ["+S", "1"])
    [time] = Client.call(client, Client.Subject, :polls, [1, 0])
    %{client: client, count: max(div(plan.lateness_ms * 1_000, time), 1)}
  end

  defp pinned(setting, clients, fun) do
    cpus = System.schedulers_online()
    others = for {_, pid} <- Server.processes(setting.server), do: pid

    if cpus > 1 and System.find_executable("taskset") do
      rest = "1-#{cpus - 1}"
      for pid <- [System.pid() | others] ++ Enum.map(clients, & &1.os_pid), do: pin(["-a"], rest, pid)
      for client <- clients, {thread, name} <- Proc.threads(client.os_pid), scheduler?(name), do: pin([], "0", thread)
      result = fun.()
      for pid <- [System.pid() | others], do: pin(["-a"], "0-#{cpus - 1}", pid)
      result
    else
      IO.puts(:stderr, "no CPU of its own for the scheduler (one CPU, or no taskset): lateness includes the system's")
      fun.()
    end
  end

  # A thread may have ended meanwhile.
  defp pin(flags, cpus, id), do: System.cmd("taskset", flags ++ ["-c", "-p", cpus, "#{id}"], stderr_to_stdout: true)

  # Its name in OTP 25 and later, and before.
  defp scheduler?(name), do: name =~ ~r/\A(erts_sched_\d+|\d+_scheduler)\z/
end
