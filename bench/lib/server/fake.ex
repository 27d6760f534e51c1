defmodule LibclusterKubernetes.Bench.Server.Fake do
  @moduledoc "The fake API server of the tests, where there is no real one."

  @behaviour LibclusterKubernetes.Bench.Server

  alias LibclusterKubernetes.Bench.Realistic
  alias LibclusterKubernetes.Test.{Api, FakeApiserver}

  @impl true
  def start! do
    server = FakeApiserver.start!()
    {server, server.url, server.service_account}
  end

  @impl true
  def stop(server), do: FakeApiserver.stop(server)

  @impl true
  def description(_server), do: "native/fake_apiserver"

  @impl true
  def processes(server) do
    {:os_pid, pid} = Port.info(server.port, :os_pid)
    [fake_apiserver: pid]
  end

  @impl true
  def namespace!(_server, _namespace), do: :ok

  @impl true
  def create!(server, source, namespace, name, json), do: replace!(server, source, namespace, name, json)

  @impl true
  def replace!(server, source, namespace, name, json) do
    FakeApiserver.put(server, Api.resource(source), namespace, name, json)
    :ok
  end

  @impl true
  def pod!(server, namespace, index, status?) do
    pod = namespace |> Realistic.pod(index) |> put_in([:metadata, :managedFields], Realistic.managed_fields())
    pod = if status?, do: Map.put(pod, :status, Realistic.status(index)), else: pod
    replace!(server, :pods, namespace, Realistic.pod_name(index), Realistic.json(pod))
  end

  # It replaces objects, and knows no parts of them.
  @impl true
  def pod_status!(server, namespace, index, _json), do: pod!(server, namespace, index, true)

  @impl true
  def requests(server) do
    %{"lists" => lists, "watches" => watches} = FakeApiserver.summary(server)
    lists + watches
  end
end
