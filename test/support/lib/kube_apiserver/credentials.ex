defmodule LibclusterKubernetes.Test.KubeApiserver.Credentials do
  @moduledoc false
  # The certificates and keys that the server is started with.

  @doc "Writes all into a folder; `token` is the admin's."
  def write!(dir, token) do
    certificates = certificates()
    key = :public_key.generate_key({:rsa, 2048, 65_537})
    {:RSAPrivateKey, _, modulus, exponent, _, _, _, _, _, _, _} = key
    public_key = :public_key.pem_entry_encode(:SubjectPublicKeyInfo, {:RSAPublicKey, modulus, exponent})

    for {file, text} <- [
          {"ca.crt", certificates.ca},
          {"server.crt", certificates.certificate},
          {"server.key", certificates.key},
          {"sa.key", :public_key.pem_encode([:public_key.pem_entry_encode(:RSAPrivateKey, key)])},
          {"sa.pub", :public_key.pem_encode([public_key])},
          {"tokens.csv", ~s(#{token},admin,admin,"system:masters"\n)}
        ] do
      File.write!(Path.join(dir, file), text)
    end
  end

  @doc "A new authority, and a certificate of it for the loopback address, in PEM."
  def certificates do
    names = [
      dNSName: ~c"localhost",
      dNSName: ~c"kubernetes.default.svc.cluster.local",
      iPAddress: <<127, 0, 0, 1>>
    ]

    subject_alt_name = {:Extension, {2, 5, 29, 17}, false, names}

    # Of the others each OTP writes one against its standard: with parameters that rustls refuses (ECDSA), or without those
    # that Go misses (RSA, OTP 29).
    key = [key: {:namedCurve, :ed25519}, digest: :none]
    chain = %{root: key, intermediates: [], peer: [{:extensions, [subject_alt_name]} | key]}
    made = :public_key.pkix_test_data(%{server_chain: chain, client_chain: %{root: [], intermediates: [], peer: []}})

    certificate = made.server_config[:cert]
    [authority] = Enum.filter(made.client_config[:cacerts], &:public_key.pkix_is_issuer(certificate, &1))

    %{
      ca: :public_key.pem_encode([{:Certificate, authority, :not_encrypted}]),
      certificate: :public_key.pem_encode([{:Certificate, certificate, :not_encrypted}]),
      key: :public_key.pem_encode([{:PrivateKeyInfo, ed25519(made.server_config[:key]), :not_encrypted}])
    }
  end

  # In the form of RFC 8410, the only one that others read.
  defp ed25519({:ECPrivateKey, der}) do
    <<private::binary-size(32)>> = :ECPrivateKey |> :public_key.der_decode(der) |> elem(2)
    <<0x302E020100300506032B657004220420::128, private::binary>>
  end
end
