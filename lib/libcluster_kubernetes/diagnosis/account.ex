defmodule LibclusterKubernetes.Diagnosis.Account do
  @moduledoc false
  # The files of the service account: token, CA and namespace, and what the token says of itself.

  alias LibclusterKubernetes.Diagnosis.{Check, Surroundings}
  alias LibclusterKubernetes.Options

  @mount """
  The kubelet mounts the three files where the pod allows it:
    spec:
      automountServiceAccountToken: true
  Elsewhere set kubernetes_service_account_path.\
  """

  # A bundle can hold every public CA.
  @shown 3

  @doc "Whether this is no pod, as on a laptop: one fact, not one for each file and each step."
  @spec no_pod?(LibclusterKubernetes.Native.facts(), Surroundings.t()) :: boolean()
  def no_pod?(facts, surroundings) do
    not surroundings.pod? and match?(%{token: {:error, _}, authorities: {:error, _}}, facts)
  end

  @spec no_pod(Options.t()) :: Check.t()
  def no_pod(options) do
    folder = options.values.kubernetes_service_account_path

    Check.failed(
      :pod,
      "this is no pod: KUBERNETES_SERVICE_HOST is not set, and there is no service account in #{folder}",
      "In a pod both are there. On a development machine leave the topology out of the configuration. To reach a cluster from " <>
        "outside, set kubernetes_master, kubernetes_service_account_path and kubernetes_namespace."
    )
  end

  @spec checks(LibclusterKubernetes.Native.facts(), Surroundings.t()) :: [Check.t()]
  def checks(facts, surroundings) do
    [token(facts.token, surroundings.now), authorities(facts.authorities), namespace(facts.namespace)]
  end

  defp token({:error, error}, _now), do: Check.failed(:token, error.message, @mount)

  defp token({:ok, nil}, _now) do
    Check.ok(
      :token,
      "there, but it is no JSON Web Token, so that nobody but the API server can tell whether it is good"
    )
  end

  defp token({:ok, %{expires_at: at} = claims}, now) when at != nil and at <= now do
    found = "#{whose(claims)}, has expired: #{time(at)}, #{age(now - at)} ago"

    remedy =
      "The kubelet renews it every hour where it mounted it. Is the file a copy, or mounted by subPath, which is never " <>
        "renewed? Mount the folder, set kubernetes_service_account_path to it, or restart the pod. If the token is " <>
        "new, this machine's clock is wrong."

    Check.failed(:token, found, remedy, claims)
  end

  defp token({:ok, claims}, now), do: Check.ok(:token, "#{whose(claims)}, #{expiry(claims.expires_at, now)}", claims)

  defp expiry(nil, _now), do: "does not expire"
  defp expiry(at, now), do: "expires #{time(at)}, in #{age(at - now)}"

  defp whose(claims), do: "the token of #{claims.subject || "somebody"}#{audience(claims.audiences)}"

  defp audience([]), do: ""
  defp audience(audiences), do: " for #{Enum.join(audiences, ", ")}"

  defp time(seconds) do
    # A token can say any number.
    case DateTime.from_unix(seconds) do
      {:ok, time} -> DateTime.to_iso8601(time)
      {:error, _} -> "at second #{seconds}"
    end
  end

  defp age(seconds) when seconds >= 2 * 86_400, do: "#{div(seconds, 86_400)} days"
  defp age(seconds) when seconds >= 2 * 3_600, do: "#{div(seconds, 3_600)} hours"
  defp age(seconds) when seconds >= 120, do: "#{div(seconds, 60)} minutes"
  defp age(seconds), do: "#{seconds} seconds"

  defp authorities({:error, error}), do: Check.failed(:ca, error.message, @mount)

  defp authorities({:ok, certificates}) do
    names = Enum.map(certificates, & &1.subject)
    more = if length(names) > @shown, do: ", and #{length(names) - @shown} more", else: ""
    Check.ok(:ca, "ca.crt holds #{names |> Enum.take(@shown) |> Enum.join(", ")}#{more}", %{names: names})
  end

  defp namespace({:error, error}), do: Check.failed(:namespace, error.message, "Set kubernetes_namespace.\n#{@mount}")
  defp namespace({:ok, :all}), do: Check.ok(:namespace, "all namespaces", %{namespace: :all})
  defp namespace({:ok, namespace}), do: Check.ok(:namespace, inspect(namespace), %{namespace: namespace})
end
