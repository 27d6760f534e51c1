defmodule LibclusterKubernetes.Test.KubeApiserver.Admin do
  @moduledoc false
  # Requests to the API server as its admin, and to its etcd.

  alias LibclusterKubernetes.Test.JSON

  @doc "Creates an object in the collection at `path`, and answers it as the server stored it."
  def create!(server, path, object), do: request!(server, :post, path, object)

  @doc "The object or list at `path`."
  def get!(server, path), do: request!(server, :get, path)

  @doc "Replaces the object at `path`."
  def put!(server, path, object), do: request!(server, :put, path, object)

  @doc "Merges into the object at `path`."
  def patch!(server, path, patch), do: request!(server, :patch, path, patch)

  @doc "Deletes the object at `path`; `options` are those of the API, such as `%{gracePeriodSeconds: 30}`."
  def delete!(server, path, options \\ %{}), do: request!(server, :delete, path, options)

  @doc "The answer to any request; a body that is a binary is JSON already. Raises unless the status is 2xx."
  @spec raw!(LibclusterKubernetes.Test.KubeApiserver.t(), atom(), String.t(), map() | binary() | nil) :: binary()
  def raw!(server, method, path, body \\ nil) do
    server |> try_request(method, path, body) |> body!(method, path)
  end

  @doc "Creates an object, or merges it into the one that there is."
  def apply!(server, collection, %{metadata: %{name: name}} = object) do
    case try_request(server, :post, collection, object) do
      {:ok, 409, _} -> patch!(server, "#{collection}/#{name}", object)
      answer -> answer!(answer, :post, collection)
    end
  end

  @doc """
  Applies an object as it is written, in YAML, as `kubectl apply --server-side -n NAMESPACE` does: a field that the API
  does not know is refused. `object` is the same, read.
  """
  def apply_yaml!(server, namespace, object, yaml) do
    namespace = object["metadata"]["namespace"] || namespace
    path = "#{collection(object, namespace)}/#{object["metadata"]["name"]}?fieldManager=test&force=true"
    server |> send_request(:patch, path, ~c"application/apply-patch+yaml", yaml) |> answer!(:patch, path)
  end

  defp request!(server, method, path, body \\ nil) do
    server |> try_request(method, path, body) |> answer!(method, path)
  end

  defp answer!(answer, method, path), do: answer |> body!(method, path) |> JSON.decode!()

  defp body!({:ok, status, body}, _method, _path) when status in 200..299, do: body
  defp body!({:ok, status, body}, method, path), do: raise("#{method} #{path}: HTTP #{status}: #{body}")
  defp body!({:error, reason}, method, path), do: raise("#{method} #{path}: #{inspect(reason)}")

  @doc "The status and the body of any answer."
  def try_request(server, method, path, body \\ nil)
  def try_request(server, method, path, nil), do: send_request(server, method, path, nil, nil)

  def try_request(server, method, path, body) do
    send_request(server, method, path, content_type(method), encode(body))
  end

  defp send_request(server, method, path, type, body) do
    url = String.to_charlist(server.url <> path)
    headers = [{~c"authorization", ~c"Bearer #{server.admin_token}"}]
    request = if body == nil, do: {url, headers}, else: {url, headers, type, body}
    # OTP's check of a certificate takes an address for a name; the server's has both.
    tls = [verify: :verify_peer, cacertfile: server.ca, server_name_indication: ~c"localhost"]

    case :httpc.request(method, request, [timeout: 30_000, ssl: tls], [body_format: :binary], profile()) do
      {:ok, {{_, status, _}, _, body}} -> {:ok, status, body}
      # A kept connection that the server closed meanwhile: nothing was done.
      {:error, :socket_closed_remotely} when method != :post -> {:error, :closed}
      {:error, reason} -> {:error, reason}
    end
  end

  defp encode(body) when is_binary(body), do: body
  defp encode(body), do: JSON.encode(body)

  defp content_type(:patch), do: ~c"application/merge-patch+json"
  defp content_type(_), do: ~c"application/json"

  # https://kubernetes.io/docs/reference/using-api/#api-groups; the plurals of our kinds are regular but for one.
  defp collection(%{"apiVersion" => version, "kind" => kind}, namespace) do
    root = if version == "v1", do: "/api/v1", else: "/apis/#{version}"
    plural = kind |> String.downcase() |> String.replace_suffix("y", "ie")
    "#{root}/namespaces/#{namespace}/#{plural}s"
  end

  # Keeps its connections, as many as there are callers in parallel.
  defp profile do
    with {:ok, _} <- :inets.start(:httpc, profile: __MODULE__) do
      :ok = :httpc.set_options([max_sessions: 32, keep_alive_timeout: 60_000], __MODULE__)
    end

    __MODULE__
  end

  @doc "The answer of etcd's HTTP gateway."
  def etcd!(server, path, body) do
    request = {~c"#{server.etcd_url}#{path}", [], ~c"application/json", JSON.encode(body)}
    {:ok, {{_, 200, _}, _, answer}} = :httpc.request(:post, request, [timeout: 10_000], body_format: :binary)
    JSON.decode!(answer)
  end
end
