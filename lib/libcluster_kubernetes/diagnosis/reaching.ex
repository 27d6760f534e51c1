defmodule LibclusterKubernetes.Diagnosis.Reaching do
  @moduledoc false
  # From the name of the API server to its first answer: address, TCP, TLS, version.

  alias LibclusterKubernetes.Diagnosis.{Check, Surroundings}
  alias LibclusterKubernetes.Options
  alias LibclusterKubernetes.Strategy.Sentences

  @spec checks(Options.t(), Surroundings.t(), LibclusterKubernetes.Native.facts()) :: [Check.t()]
  def checks(options, surroundings, facts) do
    [address(facts.address, options, surroundings), tcp(facts.tcp, facts), tls(facts), version(facts.version, facts)]
  end

  defp address({:error, error}, options, surroundings) do
    Check.failed(:address, error.message, address_remedy(options, surroundings))
  end

  defp address({:ok, %{instead_of: nil} = found}, _options, _surroundings) do
    Check.ok(:address, "#{found.server} is at #{Enum.join(found.addresses, ", ")}", found)
  end

  defp address({:ok, found}, options, surroundings) do
    text = "#{found.instead_of}; #{found.server}, which the kubelet's variables name, serves instead"
    Check.warning(:address, text, address_remedy(options, surroundings), found)
  end

  defp address_remedy(%{domain: domain}, %{domain: of_pod}) when of_pod not in [nil, domain] do
    "The options' domain is #{inspect(domain)}, but /etc/resolv.conf of this pod says #{inspect(of_pod)}: set the " <>
      "environment variable CLUSTER_DOMAIN=#{of_pod}."
  end

  defp address_remedy(options, _surroundings) do
    "Check kubernetes_master (#{inspect(options.values.kubernetes_master)}), kubernetes_cluster_name and CLUSTER_DOMAIN " <>
      "(the domain is #{inspect(options.domain)}), and that a NetworkPolicy lets the pod reach the DNS (UDP and TCP, port 53)."
  end

  defp tcp(nil, _facts), do: Check.skipped(:tcp)
  defp tcp({:ok, address}, _facts), do: Check.ok(:tcp, "connected to #{address}")

  defp tcp({:error, error}, %{address: {:ok, %{server: server}}}) do
    Check.failed(
      :tcp,
      "no connection: #{error.message}",
      "Is #{server} the API server (kubernetes_master), and does every NetworkPolicy and service mesh let the pod reach it?"
    )
  end

  defp tls(%{tls: nil}), do: Check.skipped(:tls)
  defp tls(%{tls: {:ok, true}} = facts), do: Check.ok(:tls, "the certificate is good: #{shown(facts.shown)}")

  defp tls(%{tls: {:error, %{kind: :timeout} = error}}) do
    Check.failed(:tls, error.message, "Something takes connections but says nothing: look at what stands in between.")
  end

  defp tls(%{tls: {:error, error}} = facts) do
    {:ok, authorities} = facts.authorities
    names = Enum.map_join(authorities, "; ", & &1.subject)
    found = Sentences.join(error.message, "The server shows #{shown(facts.shown)}; ca.crt holds #{names}")
    Check.failed(:tls, found, error.advice || untrusted(), %{shown: facts.shown})
  end

  defp untrusted do
    "ca.crt must hold the issuer of the certificate, and the certificate must carry the host name of kubernetes_master. A " <>
      "certificate of somebody else is one of a proxy or service mesh in between."
  end

  defp shown(nil), do: "no certificate"
  defp shown(certificate), do: "#{certificate.subject}, issued by #{certificate.issuer}"

  defp version(nil, _facts), do: Check.skipped(:version)
  defp version({:ok, version}, _facts), do: Check.ok(:version, version, %{version: version})

  defp version({:error, %{kind: :unauthorized} = error}, facts) do
    Check.failed(
      :version,
      "the server does not accept the token: #{error.message}",
      "Does the service account still exist, and is the token of this cluster#{audience(facts.token)}? A Pod that is " <>
        "made again gets a new one."
    )
  end

  # The role system:public-info-viewer allows it to everybody, unless somebody took that away.
  defp version({:error, %{kind: :forbidden} = error}, _facts) do
    Check.warning(:version, "the server does not tell its version: #{error.message}", nil)
  end

  defp version({:error, error}, _facts) do
    Check.failed(:version, error.message, "Is this the API server, and is it well? Compare: kubectl get --raw /readyz")
  end

  defp audience({:ok, %{audiences: [_ | _] = audiences}}), do: " (its audience is #{Enum.join(audiences, ", ")})"
  defp audience(_token), do: ""
end
