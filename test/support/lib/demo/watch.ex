defmodule LibclusterKubernetes.Test.Demo.Watch do
  @moduledoc """
  Takes in what the nodes say. Their lines are the evidence, and messages to the process that plays: whenever it waits, it
  shows them, keeps who is connected to whom, and fails at a link that was lost and should not have been.
  """

  alias LibclusterKubernetes.Test.Demo.{Cluster, Line, Screen}

  @typedoc "A `Stage`, which knows this module, and not the other way round."
  @type stage :: struct()

  # How long to wait before the nodes are listened to again, in milliseconds.
  @look_again 20

  # A node that crashed is a failure of its own. Others may notice that earlier than this process.
  @crash 500

  @doc "Takes in what the nodes say until the condition holds, for so many seconds at most."
  @spec until(stage(), pos_integer(), String.t(), (stage() -> boolean())) :: stage()
  def until(stage, seconds, what, condition) do
    stage |> take_all() |> wait(now() + seconds * 1000, "waited #{seconds} s in vain: #{what}", condition)
  end

  defp wait(stage, deadline, in_vain, condition) do
    check_alive(stage)

    cond do
      condition.(stage) -> stage
      now() >= deadline -> fail(stage, in_vain)
      true -> stage |> pause() |> take_all() |> wait(deadline, in_vain, condition)
    end
  end

  @doc "Takes in what the nodes say until standard input ends."
  @spec forever(stage()) :: no_return()
  def forever(stage), do: stage |> take_all() |> pause() |> forever()

  @doc "Runs a line in the demo's folder, as a shell does; answers what it prints."
  @spec type(stage(), String.t()) :: {stage(), String.t()}
  def type(stage, line) do
    task = Task.async(fn -> System.cmd("sh", ["-c", line], cd: stage.work, stderr_to_stdout: true) end)

    stage = until(stage, 30, "the end of: #{line}", fn _stage -> not Process.alive?(task.pid) end)

    case Task.await(task) do
      {output, 0} -> {stage, String.trim_trailing(output)}
      {output, status} -> fail(stage, "exit status #{status} of: #{line}\n#{output}")
    end
  end

  @doc "Waits until the programs of these ports have ended, for so many milliseconds at most."
  @spec ends([port()], non_neg_integer()) :: :ok
  def ends(ports, milliseconds), do: await_ends(ports, now() + milliseconds)

  defp await_ends([], _deadline), do: :ok

  defp await_ends(ports, deadline) do
    receive do
      {port, {:exit_status, _}} -> ports |> List.delete(port) |> await_ends(deadline)
    after
      max(deadline - now(), 0) -> :ok
    end
  end

  @doc "From now on the end of standard input ends the demo."
  @spec input() :: pid()
  def input do
    here = self()
    spawn_link(fn -> send(here, {:input_ended, IO.read(:stdio, :line)}) end)
  end

  @doc "Ends the demo: it does not show what it says."
  @spec fail(stage(), String.t()) :: no_return()
  def fail(stage, text), do: throw({:stop, {:failed, text}, stage})

  @doc "Monotonic milliseconds."
  def now, do: System.monotonic_time(:millisecond)

  ## Below

  defp pause(stage) do
    receive do
      {:input_ended, _} -> throw({:stop, :interrupted, stage})
    after
      @look_again -> stage
    end
  end

  defp check_alive(stage) do
    unless Port.info(stage.server.port), do: fail(stage, "the fake API server has ended")
    ended = Enum.find(stage.running, &(not is_map_key(stage.ports, &1)))
    if ended, do: fail(stage, "the node #{ended} has ended")
  end

  # Pod by pod, and what happens to all at once from the pod first that caused it.
  defp take_all(stage) do
    receive do
      {:input_ended, _} -> throw({:stop, :interrupted, stage})
    after
      0 -> [stage.leaver | stage.pods] |> Enum.reduce(stage, &take_from/2)
    end
  end

  defp take_from(pod, stage) when not is_map_key(stage.ports, pod), do: stage

  defp take_from(pod, stage) do
    port = Map.fetch!(stage.ports, pod)

    receive do
      {^port, {:data, {_end_of_line, line}}} -> take_from(pod, take(stage, pod, line))
      {^port, {:exit_status, _status}} -> %{stage | ports: Map.delete(stage.ports, pod)}
    after
      0 -> stage
    end
  end

  defp take(stage, pod, line) do
    File.write!(Path.join(stage.work, "#{pod}.log"), line <> "\n", [:append])
    said = Line.parse(pod, line)
    %{stage | cluster: Cluster.said(stage.cluster, pod, line, said)} |> show(pod, said) |> check(pod, said)
  end

  defp show(stage, pod, {:joined, other, _size, at} = event) do
    latency = if other in stage.newcomers, do: at - stage.named_at
    Screen.event(pod, event, latency)
    %{stage | latencies: stage.latencies ++ List.wrap(latency)}
  end

  # One node speaks for all, and the one that leaves for itself.
  defp show(stage, pod, {:log, level, text}) do
    spoken? = pod in [List.first(stage.running), stage.leaver] and not String.starts_with?(text, "connected to")
    if spoken?, do: Screen.log(pod, level, text)
    stage
  end

  defp show(stage, _pod, :other), do: stage

  defp show(stage, pod, event) do
    Screen.event(pod, event, nil)
    stage
  end

  defp check(%{leaver: :anybody} = stage, _pod, _said), do: stage

  defp check(%{leaver: leaver} = stage, pod, {:left, other, _size, _at}) when leaver not in [pod, other] do
    if ended?(stage.ports[other]),
      do: fail(stage, "the node #{other} has ended"),
      else: fail(stage, "a false disconnect: #{pod} lost #{other}")
  end

  defp check(%{leaver: leaver} = stage, pod, {:log, _level, "disconnect" <> _ = text}) when leaver != pod do
    fail(stage, "a false disconnect, by #{pod}: #{text}")
  end

  defp check(stage, _pod, _said), do: stage

  defp ended?(nil), do: true

  defp ended?(port) do
    receive do
      {^port, {:exit_status, _status}} -> true
    after
      @crash -> false
    end
  end
end
