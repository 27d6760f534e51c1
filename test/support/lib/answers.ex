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

  @doc "The list of A and B and these objects, which nobody has said are the truth."
  def list(source, objects \\ []) do
    %{kind: "#{kind(source)}List", apiVersion: version(source), metadata: %{resourceVersion: "1"}, items: objects}
    |> Map.update!(:items, &(members(source) ++ &1))
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

  defp members(:pods), do: for(number <- 1..2, do: object(:pods, "pod-#{number}", ["10.1.0.#{number}"]))
  defp members(source), do: [object(source, "app", ["10.1.0.1", "10.1.0.2"])]

  defp kind(:endpoints), do: "Endpoints"
  defp kind(:endpoint_slices), do: "EndpointSlice"
  defp kind(:pods), do: "Pod"

  defp version(:endpoint_slices), do: "discovery.k8s.io/v1"
  defp version(_source), do: "v1"
end
