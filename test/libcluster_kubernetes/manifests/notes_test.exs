defmodule LibclusterKubernetes.Manifests.NotesTest do
  # The comments that end what is printed: what there is to do, and what to know.
  use ExUnit.Case, async: true

  import LibclusterKubernetes.Test.Printed

  alias LibclusterKubernetes.Manifests

  test "says what slices would give where Endpoints are looked up" do
    assert notes([topology([])]) =~
             ":k8s looks up Endpoints, which are deprecated since Kubernetes 1.33. With " <>
               "kubernetes_ip_lookup_mode: :endpoint_slices nodes that terminate are seen"

    for source <- [:endpoint_slices, :pods] do
      refute notes([topology(kubernetes_ip_lookup_mode: source)]) =~ "deprecated"
    end
  end

  test "says that the release must listen on a fixed port, and how" do
    made = notes([topology([])], dist_port: 4370)
    assert made =~ "The release must listen on port 4370, by the lines above, or no pod gets ready"
    release = Manifests.release([topology([])], app: "my-app", dist_port: 4370)
    indented = for line <- String.split(release, "\n"), do: String.trim_trailing("    #{line}")
    assert made =~ Enum.join(indented, "\n")
  end

  test "says what stands against a node that works long while it terminates" do
    late = "loses its links"

    assert notes([topology(kubernetes_disconnect_after: 59_999)], image: "i") =~
             "kubernetes_disconnect_after is 59999 ms"

    refute notes([topology(kubernetes_disconnect_after: 60_000)], image: "i") =~ late
    refute notes([topology(kubernetes_disconnect_after: :never)], image: "i") =~ late
    slices = topology(kubernetes_disconnect_after: 0, kubernetes_ip_lookup_mode: :endpoint_slices)
    refute notes([slices], image: "i") =~ late
  end

  test "says which label a rollout is told by, unless the pods have it" do
    rollout = &topology(kubernetes_ip_lookup_mode: :pods, kubernetes_rollout_label: &1)
    version = "app.kubernetes.io/version"
    assert notes([rollout.(version)]) =~ "the pods need the label #{version}, with another value for each version"
    refute notes([rollout.(version)], labels: %{version => "1"}) =~ "the pods need the label"
    refute notes([rollout.(version)], image: "my-app:1") =~ "the pods need the label"
    refute notes([rollout.("pod-template-hash")]) =~ "the pods need the label"
  end

  test "says what a field selector may leave out" do
    topology = with_value(topology([]), :kubernetes_field_selector, "metadata.name=x")
    assert notes([topology]) =~ ~s(:k8s finds only what kubernetes_field_selector "metadata.name=x" selects)
  end

  test "ends with who starts it" do
    assert [_, "    {Cluster.Supervisor, " <> arguments] =
             [topology([])] |> notes() |> String.trim_trailing() |> String.split("\n") |> Enum.take(-2)

    assert {[topologies: _], []} = Code.eval_string("[topologies: #{String.trim_trailing(arguments, "}")}]")
  end

  test "has no line that is much longer than a screen" do
    for config <- [[], [mode: :dns], [mode: :hostname, kubernetes_service_name: "db"]],
        options <- [[], [image: "i"], [image: "i", dist_port: 4370]],
        line <- [topology(config)] |> yaml(options) |> String.split("\n") do
      assert String.length(line) <= 120, line
    end
  end
end
