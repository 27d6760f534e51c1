defmodule LibclusterKubernetes.Test.Demo.Files do
  @moduledoc """
  The demo's folder: the commands `pod` and `api`, for the demo as well as for whoever types them; what they send; and
  of each pod its service account.
  """

  alias LibclusterKubernetes.Test.{Api, FakeApiserver, JSON}
  alias LibclusterKubernetes.Test.Demo.Requests

  @typedoc "A `Stage`, which knows this module, and not the other way round."
  @type stage :: struct()

  @polling_interval 1_000
  @disconnect_after 1_000

  @labels %{app: "hello-cluster"}
  @rules [%{verbs: ["list", "watch"], resources: ["endpointslices"], namespaces: ["default"]}]

  @doc "`polling_interval` of all nodes, in milliseconds."
  def polling_interval, do: @polling_interval

  @doc "`kubernetes_disconnect_after` of all nodes, in milliseconds."
  def disconnect_after, do: @disconnect_after

  @doc "The path of the EndpointSlice at the control port."
  def slice_path, do: "/objects/endpointslices/default/hello-cluster-1"

  @doc "The EndpointSlice with these pods, as the body of a request."
  @spec slice([String.t()], map()) :: String.t()
  def slice(pods, labels \\ @labels), do: JSON.encode(Api.object(:endpoint_slices, pods, labels))

  @doc "The path of a pod's rights at the control port."
  def rights_path(pod), do: "/tokens/#{Requests.token(pod)}"

  @doc "A pod's rights, as the body of a request: those of a Role, or none."
  @spec rights(String.t(), [map()]) :: String.t()
  def rights(pod, rules \\ @rules), do: JSON.encode(%{user: Requests.user(pod), rules: rules})

  @doc "Writes a body that `api` sends as `@NAME`."
  @spec write_body(stage(), String.t(), String.t()) :: :ok
  def write_body(stage, name, body), do: File.write!(Path.join(stage.work, name), body)

  @doc "Writes a pod's service account, which may list and watch."
  @spec write_account(stage(), String.t()) :: :ok
  def write_account(stage, pod) do
    folder = Path.join([stage.work, pod, "serviceaccount"])
    File.mkdir_p!(folder)

    for file <- ~w(ca.crt namespace),
        do: File.cp!(Path.join(stage.server.service_account, file), Path.join(folder, file))

    File.write!(Path.join(folder, "token"), Requests.token(pod))
    FakeApiserver.control!(stage.server, :put, rights_path(pod), rights(pod))
    :ok
  end

  @doc "Writes the two commands."
  @spec write_commands(stage()) :: :ok
  def write_commands(stage) do
    write_command(stage, "pod", """
    # pod ADDRESS COMMAND...: runs bin/hello_cluster COMMAND... as in the pod with this address.
    export POD_IP="$1"
    shift
    export RELEASE_TMP="#{stage.work}/$POD_IP" RELEASE_COOKIE="${RELEASE_COOKIE:-#{stage.cookie}}"
    export HELLO_MASTER=#{stage.server.url} HELLO_SERVICE_ACCOUNT="#{stage.work}/$POD_IP/serviceaccount"
    export HELLO_LOOKUP=endpoint_slices HELLO_DIST_PORT=#{stage.port} HELLO_TIMESTAMPS=true
    export HELLO_POLLING_INTERVAL=#{@polling_interval} HELLO_DISCONNECT_AFTER=#{@disconnect_after}
    # Without UTF-8 every VM that starts prints a warning.
    export LC_ALL="${LC_ALL:-C.UTF-8}"
    exec "#{stage.work}/release/bin/hello_cluster" "$@"
    """)

    # curl would ask a proxy for a loopback address, too.
    write_command(stage, "api", """
    # api METHOD PATH [BODY]: a request to the control port of the fake API server; a BODY of @FILE is what is in that file.
    exec curl -fsS -o /dev/null --noproxy '*' -X "$1" "#{stage.server.control}$2" ${3:+--data-binary "$3"}
    """)
  end

  defp write_command(stage, name, script) do
    path = Path.join(stage.work, name)
    File.write!(path, "#!/bin/sh\n" <> script)
    File.chmod!(path, 0o755)
  end
end
