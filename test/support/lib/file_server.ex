defmodule LibclusterKubernetes.Test.FileServer do
  @moduledoc "Serves the files of a folder by HTTP or HTTPS on a free port of 127.0.0.1, with a certificate of its own authority."

  @enforce_keys [:pid, :url]
  defstruct [:pid, :url, :authority]

  @type t :: %__MODULE__{pid: pid(), url: String.t(), authority: Path.t() | nil}

  @doc "With `:https` the authority's certificate is beside the folder, for those who are to trust it."
  @spec start!(Path.t(), :http | :https) :: t()
  def start!(folder, scheme) do
    {:ok, _} = Application.ensure_all_started(:inets)
    {host, socket, authority} = socket(scheme, folder <> ".pem")

    {:ok, pid} =
      :inets.start(:httpd,
        port: 0,
        bind_address: {127, 0, 0, 1},
        server_name: ~c"files",
        server_root: to_charlist(folder),
        document_root: to_charlist(folder),
        socket_type: socket,
        modules: [:mod_get]
      )

    %__MODULE__{pid: pid, url: "#{scheme}://#{host}:#{:httpd.info(pid)[:port]}/", authority: authority}
  end

  @spec stop(t()) :: :ok
  def stop(server), do: :ok = :inets.stop(:httpd, server.pid)

  defp socket(:http, _pem), do: {"127.0.0.1", :ip_comm, nil}

  # OTP compares an address with no name of a certificate.
  defp socket(:https, pem) do
    name = {:Extension, {2, 5, 29, 17}, false, [dNSName: ~c"localhost"]}
    key = [key: {:namedCurve, :secp256r1}, digest: :sha256]
    chain = %{root: key, intermediates: [], peer: [{:extensions, [name]} | key]}

    made =
      :public_key.pkix_test_data(%{
        server_chain: chain,
        client_chain: %{root: [], intermediates: [], peer: []}
      })

    authorities = for certificate <- made.client_config[:cacerts], do: {:Certificate, certificate, :not_encrypted}
    File.write!(pem, :public_key.pem_encode(authorities))
    {"localhost", {:ssl, made.server_config}, pem}
  end
end
