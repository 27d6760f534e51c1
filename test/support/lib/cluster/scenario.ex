defmodule LibclusterKubernetes.Test.Cluster.Scenario do
  @moduledoc """
  The same application several times, each finding its nodes by another source, side by side in a namespace of its own; and
  steps, in which something happens to all of them.

  After each step every pod that stays is to be connected to every other of its application, and no link between two that
  lived on may have been lost on the way. How soon, and what the pods asked of the API meanwhile, is printed.

  What fails on today's code and waits for another issue is named with its number, `waits_for: [endpoints: 15]`: it is
  run, and its failure is said and expected.
  """

  import ExUnit.Callbacks, only: [on_exit: 1]

  alias LibclusterKubernetes.Test.Cluster.{App, Audit, Kubectl, Links, Pod, Sight}

  @enforce_keys [:name, :namespace, :sight, :pods, :sources]
  defstruct @enforce_keys

  @type t :: %__MODULE__{}
  @typedoc """
  What came of a step: what is missing until the mesh is whole, links that were lost (`Links.lost/2`), for how many milliseconds
  the links changed after the step began or the last pod started, and the requests (`Audit.requests/2`).
  """
  @type result :: %{
          missing: String.t() | nil,
          lost: list(),
          changed: non_neg_integer(),
          requests: list() | nil
        }

  # The longest that a step may take, unless it says otherwise: a machine that has a lot to do.
  @limit 240
  # The condition of a pod that is the test's to set.
  @ready "test/ready"
  # Each look costs the API server and the kubelets something.
  @pause 1_500

  @doc """
  Starts the applications and waits until each is whole. Options as for `App.objects/2`, and
  `:starting`, a function of the scenario to call when the pods have been asked for.
  """
  @spec start!(String.t(), keyword()) :: t()
  def start!(name, opts \\ []) do
    scenario = new!(name, App.sources(), opts[:replicas] || 3)
    step(scenario, "start of #{scenario.pods}", [], fn -> start(scenario, opts) end)
  end

  @doc "A scenario of applications with these sources and so many pods each, of which none is started."
  @spec new!(String.t(), [App.source()], non_neg_integer()) :: t()
  def new!(name, sources, pods) do
    namespace = namespace!()
    sight = Sight.start!(namespace)
    on_exit(fn -> Sight.stop(sight) end)
    %__MODULE__{name: name, namespace: namespace, sight: sight, pods: pods, sources: sources}
  end

  @doc "Starts its applications, with the options of `start!/2`."
  @spec start(t(), keyword()) :: term()
  def start(scenario, opts) do
    Kubectl.apply!(scenario.namespace, Enum.flat_map(scenario.sources, &App.objects(&1, opts)))
    Keyword.get(opts, :starting, fn _scenario -> :ok end).(scenario)
  end

  @doc "The environment of pods that let go of whoever is absent for 5 s."
  @spec impatient() :: map()
  def impatient, do: %{"HELLO_DISCONNECT_AFTER" => 5_000}

  @doc "In how many seconds that would have happened, and as long again."
  @spec let_go() :: pos_integer()
  def let_go, do: 20

  @doc "A new namespace, which is removed after the test or the module that made it."
  @spec namespace!() :: String.t()
  def namespace! do
    run = System.fetch_env!("CLUSTER_RUN")
    name = "#{run}-#{System.unique_integer([:positive])}"
    metadata = %{name: name, labels: %{run: run}}
    Kubectl.create!("/api/v1/namespaces", %{apiVersion: "v1", kind: "Namespace", metadata: metadata})
    on_exit(fn -> Kubectl.delete!("/api/v1/namespaces/#{name}") end)
    name
  end

  @doc """
  Does something, and checks what comes of it. Options:

    * `:pods` - how many pods of each application stay, from now on
    * `:hold` - for how many seconds at least the links are watched
    * `:until` - a function that gets the pods of one application, and says when to begin to ask for a whole mesh
    * `:apart` - which pods are to be no part of it: a function of a pod
    * `:may_part` - which links may be lost: a function of two pods
    * `:sources` - the applications that this is about
    * `:limit` - how many seconds it may take
    * `:waits_for` - issues by source
  """
  @spec step(t(), String.t(), keyword(), (... -> term())) :: t()
  def step(scenario, what, opts \\ [], fun) do
    began = now()
    {results, scenario} = measure(scenario, opts, fun)

    for {source, result} <- results, reduce: [] do
      failures ->
        failure = failure(result.missing, result.lost, pods(scenario, source))
        said = [whole(result), asked(result.requests), failure && "FAILED: #{failure}", took(began)]
        IO.puts("#{scenario.name}, #{what}, #{source}: #{said |> Enum.reject(&is_nil/1) |> Enum.join("; ")}")
        if failure, do: [{source, failure} | failures], else: failures
    end
    |> judge(scenario, what, Keyword.get(opts, :waits_for, []))

    scenario
  end

  @doc "Does something, and tells what came of it. Options as for `step/4`."
  @spec measure(t(), keyword(), (... -> term())) :: {[{App.source(), result()}], t()}
  def measure(scenario, opts, fun) do
    scenario = %{scenario | pods: Keyword.get(opts, :pods, scenario.pods)}
    began = now()
    hold_during(scenario, Task.async(fun))
    hold(scenario, now() + 1_000 * Keyword.get(opts, :hold, 0))
    missing = await_whole(scenario, opts, now() + 1_000 * Keyword.get(opts, :limit, @limit))
    requests = Audit.requests(scenario.namespace, began)

    results =
      for source <- sources(scenario, opts) do
        pods = pods(scenario, source)

        {source,
         %{
           missing: missing[source],
           lost: lost(pods, began, opts),
           changed: changed(pods, began),
           requests: requests && Enum.filter(requests, &(&1.app == App.name(source)))
         }}
      end

    {results, scenario}
  end

  @doc "The pods of one application that were ever seen."
  def pods(scenario, source) do
    name = App.name(source)
    scenario.sight |> Sight.seen() |> Enum.filter(&(&1.app == name))
  end

  @doc "So many pods of each application that stay, by name the first."
  @spec some(t(), non_neg_integer()) :: [Pod.t()]
  def some(scenario, count) do
    for source <- scenario.sources,
        pod <- scenario |> pods(source) |> Enum.filter(&Pod.stays?/1) |> Enum.sort_by(& &1.name) |> Enum.take(count),
        do: pod
  end

  ## What happens

  @doc "Sets how many pods there are of each application, in one moment."
  def scale(scenario, replicas) do
    for source <- scenario.sources,
        do: patch(scenario, "deployments", App.name(source), %{spec: %{replicas: replicas}})
  end

  @doc "Replaces all pods of an application, as `kubectl rollout restart` does."
  def restart(scenario, source) do
    annotations = %{"kubectl.kubernetes.io/restartedAt" => DateTime.to_iso8601(DateTime.utc_now())}
    patch(scenario, "deployments", App.name(source), %{spec: %{template: %{metadata: %{annotations: annotations}}}})
  end

  @doc "Changes labels of pods."
  def label(scenario, pods, labels) do
    for pod <- pods, do: patch(scenario, "pods", pod.name, %{metadata: %{labels: labels}})
  end

  @doc "A pod's spec by which it is ready only when `ready/3` says so, and its probe if it has one."
  @spec gated() :: map()
  def gated, do: %{readinessGates: [%{conditionType: @ready}]}

  @doc "Says whether such pods are ready, \"True\" or \"False\"."
  def ready(scenario, pods, status) do
    for pod <- pods do
      conditions = [%{type: @ready, status: status}]
      Kubectl.patch!("#{path(scenario, "pods", pod.name)}/status", %{status: %{conditions: conditions}})
    end
  end

  @doc "Lets what was done have its effect for so long."
  def last(seconds) do
    receive do
    after
      1_000 * seconds -> :ok
    end
  end

  @doc "Waits for a condition, with a limit, and answers what it came to."
  def await(what, limit \\ @limit, condition), do: await_until(what, condition, now() + 1_000 * limit)

  defp await_until(what, condition, deadline) do
    if met = condition.() do
      met
    else
      if now() > deadline, do: raise("waited in vain: #{what}")
      pause()
      await_until(what, condition, deadline)
    end
  end

  @doc "Changes an object of the namespace."
  def patch(scenario, resource, name, patch), do: Kubectl.patch!(path(scenario, resource, name), patch)

  @doc "The path of an object in the API."
  def path(scenario, resource, name) do
    root = if resource in ["deployments", "statefulsets"], do: "/apis/apps/v1", else: "/api/v1"
    "#{root}/namespaces/#{scenario.namespace}/#{resource}/#{name}"
  end

  @doc """
  Waits until every pod has opened a new watch since a time, at which the server was away, where the cluster has an audit
  log, and prints how long that took.
  """
  def await_watches(scenario, what, since) do
    if Audit.requests(scenario.namespace, since) do
      pods = scenario.sources |> Enum.flat_map(&pods(scenario, &1)) |> Enum.filter(&Pod.stays?/1) |> Enum.map(& &1.name)
      await("new watches", fn -> Enum.all?(pods, &is_map_key(watches(scenario, since), &1)) end)
      times = for {_, at} <- watches(scenario, since), do: at - since
      IO.puts("#{scenario.name}, #{what}: every pod watches again #{seconds(Enum.max(times))} later")
    end
  end

  # When each pod opened the first.
  defp watches(scenario, since) do
    for %{verb: "watch", status: 200} = request <- Enum.reverse(Audit.requests(scenario.namespace, since)),
        into: %{},
        do: {request.pod, request.at}
  end

  ## Below

  defp sources(scenario, opts), do: Keyword.get(opts, :sources, scenario.sources)

  # Pods that terminate are seen only while they are there.
  defp hold_during(scenario, task) do
    case Task.yield(task, @pause) do
      {:ok, result} ->
        result

      nil ->
        Sight.look(scenario.sight)
        hold_during(scenario, task)
    end
  end

  defp hold(scenario, until) do
    if now() < until do
      Sight.look(scenario.sight)
      pause()
      hold(scenario, until)
    end
  end

  defp await_whole(scenario, opts, deadline) do
    Sight.look(scenario.sight)
    missing = Map.new(sources(scenario, opts), &{&1, missing(scenario, &1, opts)})

    if now() > deadline or Enum.all?(missing, fn {_, missing} -> missing == nil end) do
      missing
    else
      pause()
      await_whole(scenario, opts, deadline)
    end
  end

  defp missing(scenario, source, opts) do
    {apart, pods} = scenario |> pods(source) |> Enum.split_with(Keyword.get(opts, :apart, fn _ -> false end))

    case Links.missing(pods, scenario.pods - Enum.count(apart, &(&1.ends == nil))) do
      nil -> unless Keyword.get(opts, :until, fn _ -> true end).(pods ++ apart), do: "it has not happened"
      missing -> missing
    end
  end

  defp lost(pods, since, opts) do
    may_part = Keyword.get(opts, :may_part, fn _, _ -> false end)
    for {_, one, other} = loss <- Links.lost(pods, since), not may_part.(one, other), do: loss
  end

  defp failure(missing, [], _pods), do: missing

  defp failure(missing, losses, pods) do
    lines = for {at, pod, other} <- losses, do: "\n    #{time(at)} #{pod.name} lost #{other.name}"
    reasons = for line <- Links.given_up(pods), do: "\n    #{line}"

    "#{if missing, do: missing <> "; "}#{length(losses)} times a link was lost though both ends lived on:#{lines}#{reasons}"
  end

  # Pods that take long to start are not what is measured.
  defp changed(pods, began) do
    from = max(began, Links.last_start(pods) || began)
    max((Links.last_change(pods) || began) - from, 0)
  end

  defp whole(%{missing: nil, changed: 0}), do: "whole"
  defp whole(%{missing: nil, changed: changed}), do: "whole after #{seconds(changed)}"
  defp whole(_not_whole), do: nil

  defp took(began), do: "took #{div(now() - began, 1_000)} s"

  defp asked(nil), do: nil
  defp asked(requests), do: "asked #{Audit.summary(requests)}"

  defp judge(failures, scenario, what, waits_for) do
    for {source, issue} <- waits_for do
      case List.keyfind(failures, source, 0) do
        nil -> IO.puts("#{scenario.name}, #{what}, #{source}: waits for issue #{issue}, but did not fail")
        _ -> IO.puts("#{scenario.name}, #{what}, #{source}: expected to fail until issue #{issue} is done")
      end
    end

    case Enum.reject(failures, fn {source, _} -> Keyword.has_key?(waits_for, source) end) do
      [] ->
        :ok

      unexpected ->
        folder = keep_logs(scenario)
        text = Enum.map_join(unexpected, "\n", fn {source, failure} -> "#{source}: #{failure}" end)
        raise ExUnit.AssertionError, message: "#{scenario.name}, #{what}:\n#{text}\nWhat the pods said is in #{folder}"
    end
  end

  defp keep_logs(scenario) do
    folder = Path.join(System.fetch_env!("CLUSTER_LOGS"), scenario.namespace)
    File.mkdir_p!(folder)

    for pod <- Sight.seen(scenario.sight),
        do: File.write!(Path.join(folder, "#{pod.name}-#{pod.restarts}.log"), pod.log)

    folder
  end

  defp pause do
    receive do
    after
      @pause -> :ok
    end
  end

  defp time(at), do: at |> DateTime.from_unix!(:millisecond) |> DateTime.to_time() |> Time.to_iso8601()
  defp seconds(milliseconds), do: "#{Float.round(milliseconds / 1_000, 1)} s"
  defp now, do: System.os_time(:millisecond)
end
