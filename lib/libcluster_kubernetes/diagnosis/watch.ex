defmodule LibclusterKubernetes.Diagnosis.Watch do
  @moduledoc false
  # Whether a watch opens and stays open. Where it does not, though the role allows it, the topology polls: something between
  # this node and the API server buffers long answers or ends them.

  alias LibclusterKubernetes.Diagnosis.{Check, Surroundings}
  alias LibclusterKubernetes.{Native, Options}

  @spec check(Options.t(), Surroundings.t(), Native.facts()) :: Check.t()
  def check(%{values: %{kubernetes_watch: false}}, _surroundings, _facts) do
    Check.skipped(:watch, "kubernetes_watch is false, so that nothing is watched")
  end

  def check(_options, _surroundings, %{watch: nil}), do: Check.skipped(:watch)

  # One that is silent for longer than a diagnosis looks at it only the topology has seen.
  def check(_options, %{process: %{mode: :poll, since: since}}, %{watch: {:ok, true}}) do
    found = "a watch opens, and yet the topology polls since #{DateTime.to_iso8601(since)}: its watches did not last"
    Check.warning(:watch, found, between(), %{since: since})
  end

  def check(_options, _surroundings, %{watch: {:ok, true}}),
    do: Check.ok(:watch, "a watch opens, and does not end at once")

  def check(_options, _surroundings, %{watch: {:error, %{kind: :forbidden}}, may_watch: {:ok, %{allowed: false}}}) do
    Check.skipped(:watch, "not allowed: see may_watch")
  end

  def check(options, _surroundings, %{watch: {:error, error}}) do
    interval = options.values.polling_interval
    found = "a list comes, but no watch, so that it is asked every #{interval} ms instead: #{error.message}"
    Check.warning(:watch, found, error.advice || between(), %{kind: error.kind})
  end

  defp between do
    "Look at what stands between this node and the API server: a proxy, a load balancer or a service mesh that holds long " <>
      "answers back, or ends them."
  end
end
