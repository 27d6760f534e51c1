defmodule LibclusterKubernetes.Test.KubeApiserver.Audit do
  @moduledoc false
  # What service accounts ask of the API server, as it writes that down itself.

  alias LibclusterKubernetes.Test.JSON

  @typedoc """
  What a service account asked: the verb (`"list"`, `"watch"`, …), the path with its query, when it arrived, the HTTP
  status, nil until it is written down, and whether the answer has ended. What a kill of the server cuts never ends.
  """
  @type request :: %{
          verb: String.t(),
          uri: String.t(),
          at: DateTime.t(),
          status: 100..599 | nil,
          ended?: boolean()
        }

  @doc "The arguments with which the server does so, if it is to."
  @spec arguments(Path.t(), boolean() | nil) :: [String.t()]
  def arguments(dir, true) do
    policy = %{
      apiVersion: "audit.k8s.io/v1",
      kind: "Policy",
      rules: [%{level: "Metadata", userGroups: ["system:serviceaccounts"]}, %{level: "None"}]
    }

    File.write!(Path.join(dir, "audit-policy.json"), JSON.encode(policy))
    # It appears with the first request.
    File.write!(log(dir), "")
    ["--audit-policy-file=#{dir}/audit-policy.json", "--audit-log-path=#{log(dir)}"]
  end

  def arguments(_dir, _no), do: []

  @doc """
  Every request of service accounts in a namespace, oldest first, across restarts of a server that was started with
  `audit: true`: the server writes each down before it answers.
  """
  @spec requests(LibclusterKubernetes.Test.KubeApiserver.t(), String.t()) :: [request()]
  def requests(server, namespace) do
    # What follows the last line feed is still being written.
    lines = server.dir |> log() |> File.read!() |> String.split("\n") |> Enum.drop(-1)

    lines
    |> Enum.filter(&String.contains?(&1, ~s("namespace":"#{namespace}")))
    |> Enum.map(&JSON.decode!/1)
    |> Enum.group_by(& &1["auditID"])
    |> Enum.map(fn {_id, stages} -> request(stages) end)
    |> Enum.sort_by(& &1.at, DateTime)
  end

  # One event for each stage of a request.
  defp request([event | _] = stages) do
    {:ok, at, 0} = DateTime.from_iso8601(event["requestReceivedTimestamp"])

    %{
      verb: event["verb"],
      uri: event["requestURI"],
      at: at,
      status: Enum.find_value(stages, & &1["responseStatus"]["code"]),
      ended?: Enum.any?(stages, &(&1["stage"] == "ResponseComplete"))
    }
  end

  defp log(dir), do: Path.join(dir, "audit.log")
end
