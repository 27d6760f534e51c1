defmodule LibclusterKubernetes.Test.Cluster.Audit do
  @moduledoc "What pods asked of the API, from the audit log of the API server, where the cluster has one."

  alias LibclusterKubernetes.Test.Cluster.Abilities
  alias LibclusterKubernetes.Test.JSON

  @type request :: %{app: String.t(), pod: String.t(), verb: String.t(), status: integer() | nil, at: integer()}

  @doc "The requests of the service accounts of a namespace since a time, or nil where there is no audit log."
  @spec requests(String.t(), integer()) :: [request()] | nil
  def requests(namespace, since) do
    if Abilities.has?(:audit) do
      user = ~s("system:serviceaccount:#{namespace}:)

      # What follows the last line feed is still being written.
      for line <- :audit |> Abilities.run!() |> String.split("\n") |> Enum.drop(-1), String.contains?(line, user) do
        JSON.decode!(line)
      end
      |> Enum.group_by(& &1["auditID"])
      |> Enum.map(fn {_, stages} -> request(stages) end)
      |> Enum.filter(&(&1.at >= since))
      |> Enum.sort_by(& &1.at)
    end
  end

  @doc "The requests in a few words: how many of each verb, and how many were refused."
  @spec summary([request()]) :: String.t()
  def summary([]), do: "nothing"

  def summary(requests) do
    refused =
      requests |> Enum.filter(&(&1.status not in [nil | Enum.to_list(200..299)])) |> Enum.frequencies_by(& &1.status)

    (counts(requests, & &1.verb) ++ for({status, count} <- refused, do: "#{count} answered #{status}"))
    |> Enum.join(", ")
  end

  @doc "How often a pod asked with this verb, the most that any did."
  def most(requests, verb) do
    requests
    |> Enum.filter(&(&1.verb == verb))
    |> Enum.frequencies_by(& &1.pod)
    |> Map.values()
    |> Enum.max(fn -> 0 end)
  end

  defp counts(requests, fun) do
    for {verb, of_verb} <- Enum.group_by(requests, fun) do
      "#{length(of_verb)} #{verb} (at most #{most(of_verb, verb)} by one pod)"
    end
  end

  # One event for each stage of a request.
  defp request([event | _] = stages) do
    {:ok, at, 0} = DateTime.from_iso8601(event["requestReceivedTimestamp"])
    "system:serviceaccount:" <> account = event["user"]["username"]
    [_namespace, app] = String.split(account, ":")

    %{
      app: app,
      pod: event["user"]["extra"]["authentication.kubernetes.io/pod-name"] |> List.wrap() |> List.first(),
      verb: event["verb"],
      status: Enum.find_value(stages, & &1["responseStatus"]["code"]),
      at: DateTime.to_unix(at, :millisecond)
    }
  end
end
