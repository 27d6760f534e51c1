defmodule LibclusterKubernetes.Test.Cluster.Kubectl do
  @moduledoc """
  The cluster that kubectl points to: its commands, and the API through one `kubectl proxy`, because a process for each
  request would cost more than all that the tests look at.
  """

  use GenServer

  alias LibclusterKubernetes.Test.JSON

  # The proxy ends with this VM, however that ends.
  @wrapper """
  kubectl proxy --port=0 </dev/null 2>&1 &
  proxy=$!
  read -r _
  kill "$proxy"
  """

  # HTTP/1.0: each request on a connection of its own, or it would wait behind one to a kubelet that is cut off.
  @http [timeout: 10_000, version: ~c"HTTP/1.0"]
  # The proxy wants to know it, and that version does not tell.
  @host [{~c"host", ~c"localhost"}]

  @doc "Starts the proxy, unless it runs."
  def start! do
    {:ok, _} = Application.ensure_all_started(:inets)

    case GenServer.start(__MODULE__, [], name: __MODULE__) do
      {:ok, _} -> :ok
      {:error, {:already_started, _}} -> :ok
    end
  end

  @doc "Starts another proxy: the running one keeps the CA that it began with."
  def restart!, do: :ok = GenServer.call(__MODULE__, :restart, 30_000)

  ## Commands

  @doc "Runs kubectl, and answers what it prints; raises unless it succeeds."
  @spec run!([String.t()]) :: String.t()
  def run!(args) do
    case run(args) do
      {output, 0} -> output
      {output, status} -> raise "kubectl #{Enum.join(args, " ")} ended with #{status}: #{output}"
    end
  end

  @doc "Runs kubectl, and answers what it prints and its exit status."
  @spec run([String.t()]) :: {String.t(), non_neg_integer()}
  def run(args), do: System.cmd("kubectl", args, stderr_to_stdout: true)

  @doc "Runs a command in a pod."
  def exec!(namespace, pod, command), do: run!(["-n", namespace, "exec", pod, "--" | command])

  @doc "Applies objects, given as maps."
  def apply!(namespace, objects) do
    apply_text!(namespace, JSON.encode(%{apiVersion: "v1", kind: "List", items: objects}))
  end

  @doc "Applies a manifest as it is written."
  def apply_text!(namespace, text) do
    file = Path.join(System.tmp_dir!(), "apply-#{System.pid()}-#{System.unique_integer([:positive])}")
    File.write!(file, text)

    try do
      run!(["-n", namespace, "apply", "-f", file])
    after
      File.rm!(file)
    end
  end

  ## Requests

  @doc "The object or list at a path."
  @spec get(String.t()) :: {:ok, map()} | {:error, term()}
  def get(path), do: with({:ok, body} <- text(path), do: {:ok, JSON.decode!(body)})

  def get!(path), do: path |> get() |> answer!(:get, path)

  @doc "What is at a path that has no JSON, such as a pod's log."
  @spec text(String.t()) :: {:ok, String.t()} | {:error, term()}
  def text(path), do: request(:get, path, nil, nil)

  @doc "Creates an object in the collection at a path."
  def create!(path, object), do: send!(:post, path, "application/json", object)

  @doc "Merges into the object at a path; into lists by their keys, where the API says how."
  def patch!(path, patch), do: send!(:patch, path, "application/strategic-merge-patch+json", patch)

  @doc "Deletes what is at a path."
  def delete!(path, options \\ %{}), do: send!(:delete, path, "application/json", options)

  @doc "Whether the API server says that it is ready."
  def ready?, do: match?({:ok, _}, text("/readyz"))

  defp send!(method, path, type, body) do
    method |> request(path, type, JSON.encode(body)) |> answer!(method, path) |> JSON.decode!()
  end

  defp answer!({:ok, answer}, _method, _path), do: answer
  defp answer!({:error, reason}, method, path), do: raise("#{method} #{path}: #{inspect(reason)}")

  defp request(method, path, type, body) do
    url = String.to_charlist(GenServer.call(__MODULE__, :url, 30_000) <> path)
    request = if body, do: {url, @host, String.to_charlist(type), body}, else: {url, @host}

    case :httpc.request(method, request, @http, body_format: :binary) do
      {:ok, {{_, status, _}, _, body}} when status in 200..299 -> {:ok, body}
      {:ok, {{_, status, _}, _, body}} -> {:error, {status, body}}
      {:error, reason} -> {:error, reason}
    end
  end

  ## The proxy

  @impl GenServer
  def init(_), do: {:ok, open()}

  @impl GenServer
  def handle_call(:url, _from, state), do: {:reply, state.url, state}

  def handle_call(:restart, _from, state) do
    Port.close(state.port)
    {:reply, :ok, open()}
  end

  @impl GenServer
  def handle_info(_said, state), do: {:noreply, state}

  defp open do
    port = Port.open({:spawn_executable, System.find_executable("sh")}, [:binary, line: 1_024, args: ["-c", @wrapper]])

    receive do
      {^port, {:data, {:eol, "Starting to serve on " <> address}}} -> %{port: port, url: "http://#{address}"}
      {^port, {:data, {_, line}}} -> raise "kubectl proxy: #{line}"
    after
      20_000 -> raise "kubectl proxy does not start"
    end
  end
end
