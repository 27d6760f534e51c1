defmodule LibclusterKubernetes.Test.Answers do
  @moduledoc "Answers of an API server, right and wrong, as bytes for the faults of the fake one."

  alias LibclusterKubernetes.Test.{Api, JSON}

  @doc "These bytes in place of an answer; then the connection lives on, or is closed."
  def raw(bytes, keep_alive \\ true) do
    %{raw_response: %{latin1: for(<<byte <- bytes>>, into: "", do: <<byte::utf8>>), keep_alive: keep_alive}}
  end

  @doc "A whole answer."
  def http(code, headers \\ [], body) do
    head(code, [{"Content-Length", byte_size(body)} | headers]) <> body
  end

  @doc "A head."
  def head(code, headers) do
    lines = for {name, value} <- headers, do: "#{name}: #{value}\r\n"
    IO.iodata_to_binary(["HTTP/1.1 #{code} Reason\r\n", lines, "\r\n"])
  end

  @doc "A stream with these pieces as its chunks. It ends properly, or with the connection."
  def stream(pieces, ending \\ :clean) do
    chunks = for piece <- pieces, do: [Integer.to_string(byte_size(piece), 16), "\r\n", piece, "\r\n"]
    last = if ending == :clean, do: "0\r\n\r\n", else: ""
    head = head(200, [{"Content-Type", "application/json"}, {"Transfer-Encoding", "chunked"}])
    raw(IO.iodata_to_binary([head, chunks, last]), ending == :clean)
  end

  @doc "One line of a watch."
  def frame(type, object), do: JSON.encode(%{type: type, object: object}) <> "\n"

  @doc "What the API says with a code."
  def status(code, message \\ "a fault of the test", more \\ %{}) do
    Map.merge(%{kind: "Status", apiVersion: "v1", metadata: %{}, status: "Failure", message: message, code: code}, more)
  end

  @doc "The list of the members, as they are now, and of these objects."
  def list(run, objects \\ []) do
    members = Api.objects(run.api)
    # Not the version of the list, which nobody tells, but one after which nothing of it has changed.
    version = members |> Enum.map(&String.to_integer(&1["metadata"]["resourceVersion"])) |> Enum.max() |> to_string()

    %{
      kind: "#{kind(run.source)}List",
      apiVersion: version(run.source),
      metadata: %{resourceVersion: version},
      items: members ++ objects
    }
  end

  @doc "An object as it stands in an answer."
  def object(source, name, ips) do
    metadata = %{name: name, namespace: "default", resourceVersion: "1"}
    source |> Api.object(ips) |> Map.update!(:metadata, &Map.merge(&1, metadata))
  end

  @doc "A bookmark for this version."
  def bookmark(source, version) do
    metadata = %{resourceVersion: version, creationTimestamp: nil}
    frame("BOOKMARK", %{kind: kind(source), apiVersion: version(source), metadata: metadata})
  end

  defp kind(:endpoints), do: "Endpoints"
  defp kind(:endpoint_slices), do: "EndpointSlice"
  defp kind(:pods), do: "Pod"

  defp version(:endpoint_slices), do: "discovery.k8s.io/v1"
  defp version(_source), do: "v1"
end
