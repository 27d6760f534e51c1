defmodule LibclusterKubernetes.Test.Fault do
  @moduledoc """
  What can be wrong on the API's side, as data, and how it begins and ends. `faults` of the fake API server are written as
  its README says.

  | fault | what is wrong |
  |---|---|
  | `{:accept, do}` | what a new connection meets; the old ones are cut |
  | `{:request, do}` | what is asked for next: see the mode |
  | `{:slow, do}` | the same, where the mode is `:poll` eight times: its end breaks no answer off |
  | `{:list, do}`, `{:watch, do}` | every list, every watch; a list of them strikes one after the other |
  | `:refused` | nobody listens |
  | `{:certificate, certificate}` | what the server shows to new connections; the old ones are cut |
  | `{:account, change}` | `change` is called with the folder of the service account |
  | `{:objects, objects}` | these objects besides the members, as a function of the run |
  | `{:send, bytes}` | what is sent into the open watches, once |
  | `{:call, start, repair}` | anything else |

  Each `do`, `bytes`, `start` and `repair` may be a function of the run. Where the mode is `:watch`, the open
  watch is cut, so that the next one meets the fault; where it is `:relist`, its history is gone as well, so that only a
  list can help, and that meets the fault.
  """

  alias LibclusterKubernetes.Test.{Api, FakeApiserver, Topology}

  @slow 8

  @doc "Makes it so."
  def start({:accept, action}, run) do
    FakeApiserver.faults(run.server, [%{at: "accept", do: resolve(action, run)}])
    FakeApiserver.cut_connections(run.server)
  end

  def start({:request, action}, run) do
    action = resolve(action, run)

    case run.mode do
      :poll -> FakeApiserver.faults(run.server, [%{at: "request", do: action}])
      :watch -> meet(run, [%{at: "request", do: action}])
      :relist -> start({:list, action}, run)
    end
  end

  def start({:slow, action}, %{mode: :poll} = run) do
    FakeApiserver.faults(run.server, [%{at: "request", do: resolve(action, run), times: @slow}])
  end

  def start({:slow, action}, run), do: start({:request, action}, run)

  def start({:list, actions}, %{mode: :relist} = run) do
    meet(run, faults("list", actions, run) ++ faults("watch", %{status: %{code: 410}}, run))
  end

  def start({:list, actions}, run), do: FakeApiserver.faults(run.server, faults("list", actions, run))
  def start({:watch, actions}, run), do: meet(run, faults("watch", actions, run))
  def start(:refused, run), do: FakeApiserver.listening(run.server, false)

  def start({:certificate, certificate}, run) do
    FakeApiserver.certificate(run.server, certificate)
    FakeApiserver.cut_connections(run.server)
  end

  def start({:account, change}, run) do
    change.(run.account)
    if run.mode != :poll, do: FakeApiserver.cut_watches(run.server)
  end

  def start({:objects, objects}, run) do
    for {object, number} <- Enum.with_index(objects.(run)) do
      FakeApiserver.put(run.server, Api.resource(run.source), "strange-#{number}", object)
    end
  end

  def start({:send, bytes}, run), do: 1 = FakeApiserver.send_to_watches(run.server, resolve(bytes, run))
  def start({:call, start, _repair}, run), do: start.(run)

  @doc "Makes it right again."
  # One list after the other: the last of these is none that it struck.
  def repair({:slow, _}, %{mode: :poll} = run) do
    Topology.await_lists(run.server, @slow + 1)
    FakeApiserver.no_faults(run.server)
  end

  def repair({kind, _}, run) when kind in [:accept, :request, :slow, :list, :watch],
    do: FakeApiserver.no_faults(run.server)

  def repair(:refused, run), do: FakeApiserver.listening(run.server, true)
  def repair({:certificate, _}, run), do: FakeApiserver.certificate(run.server, %{})

  def repair({:account, _}, run) do
    good = run.account <> "-good"
    File.mkdir_p!(run.account)
    for file <- File.ls!(good), do: restore(Path.join(good, file), Path.join(run.account, file))
  end

  def repair({:objects, objects}, run) do
    for {_object, number} <- Enum.with_index(objects.(run)) do
      FakeApiserver.delete(run.server, Api.resource(run.source), "strange-#{number}")
    end
  end

  def repair({:send, _}, _run), do: :ok
  def repair({:call, _start, repair}, run), do: repair.(run)

  defp faults(verb, actions, run) do
    case resolve(actions, run) do
      actions when is_list(actions) -> for action <- actions, do: %{at: "request", verb: verb, do: action, times: 1}
      action -> [%{at: "request", verb: verb, do: action}]
    end
  end

  # In one step, and only what was damaged: else the repair would be a fault of its own.
  defp restore(good, path) do
    if File.read(path) != File.read(good) do
      if File.dir?(path), do: File.rmdir!(path)
      File.cp!(good, path <> "_tmp")
      File.rename!(path <> "_tmp", path)
    end
  end

  defp meet(run, faults) do
    FakeApiserver.faults(run.server, faults)
    FakeApiserver.cut_watches(run.server)
  end

  defp resolve(fun, run) when is_function(fun, 1), do: fun.(run)
  defp resolve(data, _run), do: data
end
