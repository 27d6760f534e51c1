defmodule LibclusterKubernetes.Options.Server do
  @moduledoc false
  # Where the API may be. Whatever passes here, the NIF can send a request to: what cannot be a server is refused at start.

  @longest_name 253
  @longest_url 2_000

  @doc "Whether it is an address, a URL, or a name, which may have to be completed."
  @spec valid?(String.t()) :: boolean()
  def valid?("https://" <> _ = url), do: url?(url)
  def valid?(host), do: ip?(host, 4) or ip?(host, 6) or host_name?(host)

  @doc "A name with its domain, where that has to be appended; an address and a URL as they are."
  @spec complete(String.t(), String.t()) :: String.t()
  def complete(master, domain) do
    if String.contains?(master, "://") or ip?(master, 4) or ip?(master, 6) or String.ends_with?(master, [".", domain]),
      do: master,
      else: "#{master}.#{domain}"
  end

  @doc "Whether it is a DNS name, or a part of one."
  @spec name?(String.t()) :: boolean()
  def name?(text) do
    labels = text |> String.replace_suffix(".", "") |> String.split(".")
    byte_size(text) <= @longest_name and Enum.all?(labels, &(&1 =~ ~r/\A[A-Za-z0-9]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?\z/))
  end

  @doc "The same of one that can be the end of a host's name. What ends with a number is taken for an address, here and in TLS."
  @spec host_name?(String.t()) :: boolean()
  def host_name?(text), do: name?(text) and not (text =~ ~r/(\A|\.)\d+\.?\z/)

  defp url?(url) do
    pattern = ~r"\Ahttps://(?<host>\[[^\[\]]*\]|[^\[\]:/]*)(:(?<port>\d{1,5}))?(/[A-Za-z0-9._~@:-]+)*/?\z"

    case Regex.named_captures(pattern, url) do
      %{"host" => host, "port" => port} -> byte_size(url) <= @longest_url and host?(host) and port?(port)
      nil -> false
    end
  end

  defp host?("[" <> address), do: address |> String.trim_trailing("]") |> ip?(6)
  defp host?(host), do: ip?(host, 4) or host_name?(host)

  defp port?(""), do: true
  defp port?(digits), do: String.to_integer(digits) in 1..65_535

  # Without a scope, such as %eth0.
  defp ip?(text, version) do
    with true <- text =~ ~r/\A[0-9A-Fa-f:.]+\z/,
         {:ok, address} <- :inet.parse_strict_address(String.to_charlist(text)) do
      tuple_size(address) == if(version == 4, do: 4, else: 8)
    else
      _ -> false
    end
  end
end
