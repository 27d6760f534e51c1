defmodule LibclusterKubernetes.Test.Cluster.Said do
  @moduledoc "What a pod says of itself: its log, and what `diagnose` prints."

  alias LibclusterKubernetes.Test.Cluster.{Kubectl, Scenario}

  @diagnose "IO.puts(LibclusterKubernetes.diagnose(:hello_cluster))"

  @doc "Its log so far."
  @spec log(Scenario.t(), String.t()) :: String.t()
  def log(scenario, pod) do
    case Kubectl.text("#{Scenario.path(scenario, "pods", pod)}/log") do
      {:ok, log} -> log
      {:error, _not_yet} -> ""
    end
  end

  @doc "Its log, once it has this."
  @spec log(Scenario.t(), String.t(), String.t() | Regex.t()) :: String.t()
  def log(scenario, pod, wanted) do
    Scenario.await("#{pod} says #{inspect(wanted)}", fn ->
      log = log(scenario, pod)
      if log =~ wanted, do: log
    end)
  end

  @doc "What our package warned of there, and libcluster for it, in order."
  @spec warnings(String.t()) :: [String.t()]
  def warnings(log) do
    for [_, text] <- Regex.scan(~r/ \[(?:warning|error)\] \[libcluster:hello_cluster\] (.*)/, log), do: text
  end

  @doc "What `diagnose` prints on its node, once that has started."
  @spec diagnosis(Scenario.t(), String.t()) :: String.t()
  def diagnosis(scenario, pod) do
    log(scenario, pod, ": started ")
    Kubectl.exec!(scenario.namespace, pod, ["/app/bin/hello_cluster", "rpc", @diagnose])
  end

  @doc "What `diagnose` prints in a copy of a pod that crashes, as guides/diagnose.md makes it."
  @spec diagnosis_of_copy(Scenario.t(), String.t()) :: String.t()
  def diagnosis_of_copy(scenario, pod) do
    copy = "#{pod}-copy"
    eval = "Application.ensure_all_started(:libcluster_kubernetes); #{@diagnose}"
    command = ["--", "/app/bin/hello_cluster", "eval", eval]
    Kubectl.run!(["-n", scenario.namespace, "debug", pod, "--copy-to=#{copy}", "--container=app" | command])
    # The last check.
    said = log(scenario, copy, ~r/^\w+ +member /m)
    Kubectl.delete!(Scenario.path(scenario, "pods", copy))
    said
  end

  @doc "The first of it, without the checks, in one line."
  @spec cause(String.t()) :: String.t()
  def cause(diagnosis) do
    [head, _checks] = String.split(diagnosis, "\n\n", parts: 2)
    [_topology, cause] = String.split(head, ~r/(?<=\n)(?=Cause:)|(?=No check failed)/, parts: 2)
    cause |> String.split() |> Enum.join(" ")
  end

  @doc "The checks that failed or warn, in order."
  @spec wrong(String.t()) :: [String.t()]
  def wrong(diagnosis), do: for([_, name] <- Regex.scan(~r/^(?:FAILED|warning) +(\w+)/m, diagnosis), do: name)
end
