defmodule LibclusterKubernetes.Test.FakeApiserver do
  @moduledoc """
  Drives `native/fake_apiserver` (its README is the reference of the control port). The server ends with the process
  that started it.
  """

  alias LibclusterKubernetes.Test.JSON

  @enforce_keys [:port, :url, :control, :service_account, :dir, :via]
  defstruct @enforce_keys

  @doc """
  Starts a server with an empty store. `args` are further command line arguments; `via` is a command to run it through.
  """
  def start!(args \\ [], via \\ []) do
    dir = Path.join(System.tmp_dir!(), "fake-apiserver-#{System.pid()}-#{System.unique_integer([:positive])}")
    File.mkdir_p!(dir)
    [command | args] = via ++ [binary(), "--dir", dir, "--exit-with-stdin" | args]
    port = Port.open({:spawn_executable, System.find_executable(command)}, [:binary, args: args, line: 65_536])

    ready =
      receive do
        {^port, {:data, {:eol, line}}} -> JSON.decode!(line)
      after
        10_000 -> raise "the fake API server did not start"
      end

    %__MODULE__{
      port: port,
      url: ready["url"],
      control: ready["control"],
      service_account: ready["service_account"],
      dir: dir,
      via: via
    }
  end

  @doc "A `setup`: a server of the test's own, in the context as `:server`."
  def serve(_context \\ %{}) do
    server = start!()
    ExUnit.Callbacks.on_exit(fn -> stop(server) end)
    %{server: server}
  end

  def stop(server) do
    close(server.port)
    File.rm_rf!(server.dir)
    :ok
  end

  # It closes by itself when the process ends that opened it, which may be at this moment.
  defp close(port) do
    Port.close(port)
  rescue
    ArgumentError -> true
  end

  @doc "Creates or replaces an object. `object` is a map, or its JSON."
  def put(server, resource, namespace \\ "default", name, object) do
    control!(server, :put, "/objects/#{resource}/#{namespace}/#{name}", object)
  end

  def delete(server, resource, namespace \\ "default", name) do
    control!(server, :delete, "/objects/#{resource}/#{namespace}/#{name}")
  end

  @doc "Replaces the faults; see the README of the fake API server for their forms."
  def faults(server, faults), do: control!(server, :put, "/faults", faults)
  def no_faults(server), do: control!(server, :delete, "/faults")

  @doc "Refuses connections, and closes those that are open; or serves again on the same port."
  def listening(server, on?), do: control!(server, :put, "/listening", on?)

  @doc "Cuts every open watch, in the middle of it."
  def cut_watches(server), do: control!(server, :post, "/watches/cut")

  @doc "Cuts every connection."
  def cut_connections(server), do: control!(server, :post, "/connections/cut")

  @doc "Sends these bytes into every open watch, and answers how many those are."
  def send_to_watches(server, bytes) do
    url = String.to_charlist(server.control <> "/watches/send")
    {:ok, {{_, 200, _}, _, answer}} = :httpc.request(:post, {url, [], ~c"text/plain", bytes}, [], body_format: :binary)
    JSON.decode!(answer)["watches"]
  end

  @doc "How often open watches get a bookmark; with 0 only when asked for."
  def bookmarks(server, every_ms), do: control!(server, :put, "/bookmarks", %{every_ms: every_ms})

  @doc "Ends every open watch as it should end."
  def end_watches(server), do: control!(server, :post, "/watches/end", "")

  @doc "Forgets the history."
  def compact(server), do: control!(server, :post, "/compact", "")

  @doc "Remembers all objects and the version."
  def back_up(server), do: control!(server, :post, "/backup", "")

  @doc "Puts everything back to the last backup, and cuts every connection."
  def restore(server), do: control!(server, :post, "/restore", "")

  @doc "Accepts this token no longer."
  def revoke(server, token), do: control!(server, :delete, "/tokens/#{token}")

  @doc "Sends a bookmark into every open watch."
  def bookmark(server), do: control!(server, :post, "/bookmark", "")

  @doc "Holds back everything that watches would send, or lets it go."
  def silent_watches(server, silent?), do: control!(server, :put, "/watches/silent", silent?)

  @doc "Waits for counters of the summary, such as `watches=1&connections_open=0`."
  def await(server, counters, timeout \\ 9_000) do
    control!(server, :get, "/journal/summary?#{counters}&timeout_ms=#{timeout}")
  end

  def certificate(server, certificate), do: control!(server, :put, "/certificate", certificate)
  def token(server, token, rules), do: control!(server, :put, "/tokens/#{token}", %{user: token, rules: rules})
  def summary(server), do: control!(server, :get, "/journal/summary")
  def journal(server), do: control!(server, :get, "/journal")
  def clear_journal(server), do: control!(server, :delete, "/journal")

  @doc "The body of an Endpoints object with these ready addresses."
  def endpoints(ips, opts \\ []) do
    addresses = fn ips ->
      Enum.map(
        ips,
        &%{ip: &1, hostname: hostname(&1), targetRef: %{kind: "Pod", namespace: "default", name: "pod-#{&1}"}}
      )
    end

    %{
      metadata: %{labels: Keyword.get(opts, :labels, %{app: "app"})},
      subsets: [%{addresses: addresses.(ips), notReadyAddresses: addresses.(Keyword.get(opts, :not_ready, []))}]
    }
  end

  @doc "The hostname of the pod with this address."
  def hostname(ip), do: "host-#{String.replace(ip, [".", ":"], "-")}"

  @doc "A request to the control port, with the body as JSON."
  def control!(server, method, path, body \\ nil)

  def control!(%{via: [_ | _]} = server, method, path, body) do
    # Its loopback, where the control port is, is not this one.
    data = if body == nil, do: [], else: ["--data-binary", encode(body)]
    [command | args] = server.via ++ ["curl", "-fsS", "-X", String.upcase("#{method}"), server.control <> path] ++ data
    {answer, 0} = System.cmd(command, args)
    JSON.decode!(answer)
  end

  def control!(server, method, path, body) do
    url = String.to_charlist(server.control <> path)
    request = if method in [:get, :delete], do: {url, []}, else: {url, [], ~c"application/json", encode(body)}
    {:ok, {{_, status, _}, _, answer}} = :httpc.request(method, request, [timeout: 10_000], body_format: :binary)
    if status != 200, do: raise("#{method} #{path}: #{status} #{answer}")
    if answer == "", do: nil, else: JSON.decode!(answer)
  end

  defp encode(nil), do: ""
  defp encode(json) when is_binary(json), do: json
  defp encode(body), do: JSON.encode(body)

  defp binary do
    System.get_env("FAKE_APISERVER") || Path.expand("../../../target/debug/fake_apiserver", __DIR__)
  end
end
