defmodule LibclusterKubernetes.Cluster.GuidesTest do
  # The manifests of the guides, and those of mix libcluster_kubernetes.gen.manifests, applied as they are written
  # (Cluster.Release says but for what), with the release that the guide describes: three pods that are one cluster.
  use LibclusterKubernetes.Test.Cluster.Case, async: true

  alias LibclusterKubernetes.{Manifests, Options}
  alias LibclusterKubernetes.Test.{Guide, YAML}
  alias LibclusterKubernetes.Test.Cluster.{Links, Release, Sight}

  @modes "guides/modes-and-names.md"
  @deployments "guides/deployments.md"
  @distribution "guides/distribution.md"

  setup do
    namespace = Scenario.namespace!()
    # Some manifests name it; it is made as the guide says.
    Kubectl.apply!(namespace, [
      %{apiVersion: "v1", kind: "Secret", metadata: %{name: "myapp-cookie"}, stringData: %{cookie: "one-for-all"}}
    ])

    %{namespace: namespace}
  end

  for mode <- [:ip, :dns, :hostname] do
    test "mode #{inspect(mode)}", %{namespace: namespace} do
      heading = "Mode `#{inspect(unquote(mode))}`"
      [runtime] = texts(@modes, "elixir", heading)
      [template | _] = texts(@modes, "sh", heading)
      env_sh = EEx.eval_string(template, assigns: [release: %{name: :myapp}])
      forms_a_cluster(namespace, manifest(@modes, heading), %{"runtime.exs" => runtime, "env.sh" => env_sh})
    end
  end

  for {heading, path} <- [
        {"A Deployment that drains", @deployments},
        {"Service meshes", @distribution},
        {"Cookies", @distribution}
      ] do
    test "#{heading}, on one port and with the policy for it", %{namespace: namespace} do
      # Its service account and what that may do.
      rights = Enum.reject(manifest(@deployments, "A Deployment that drains"), &(&1["kind"] == "Deployment"))
      policy = manifest(@distribution, "Network policies")
      objects = manifest(unquote(path), unquote(heading))
      forms_a_cluster(namespace, Enum.uniq(rights ++ policy ++ objects), on_one_port())
    end
  end

  for {name, config} <- [
        endpoints: [],
        dns: [mode: :dns, kubernetes_ip_lookup_mode: :pods],
        slices: [kubernetes_ip_lookup_mode: :endpoint_slices],
        hostname: [mode: :hostname, kubernetes_ip_lookup_mode: :pods, kubernetes_service_name: "db"]
      ] do
    test "gen.manifests: #{name}", %{namespace: namespace} do
      {objects, files} = generated(unquote(config))
      forms_a_cluster(namespace, objects, files)
    end
  end

  for {what, from} <- [{"gen.manifests", :generated}, {"A Deployment that drains", :guide}] do
    test "#{what}, with preStop: in a rollout old and new are one mesh until the old end", %{namespace: namespace} do
      {objects, files} = deployment(unquote(from))
      {sight, workload} = forms_a_cluster(namespace, Enum.map(objects, &with_pre_stop/1), files)
      before = for pod <- Sight.seen(sight), do: pod.uid
      Kubectl.run!(["-n", namespace, "rollout", "restart", "deployment/#{workload["metadata"]["name"]}"])

      Scenario.await("others in the place of all", fn ->
        {old, new} = sight |> Sight.look() |> Enum.split_with(&(&1.uid in before))
        Enum.all?(old, &(&1.leaving? or &1.gone?)) and Enum.count(new, & &1.ready?) == length(before)
      end)

      {old, new} = sight |> Sight.look() |> Enum.split_with(&(&1.uid in before))

      for one <- new, other <- old do
        met = for {_at, :joined, node} <- one.events, do: node
        assert other.node in met, "#{one.name} never met #{other.name}:\n#{one.log}"
      end
    end
  end

  defp deployment(:generated), do: generated([])

  defp deployment(:guide), do: {manifest(@deployments, "A Deployment that drains"), on_one_port()}

  # What the guide's Deployment runs.
  defp on_one_port do
    [runtime] = texts(@deployments, "elixir", "A Deployment that drains")
    [vm_args, remote_vm_args | _] = texts(@distribution, "text", "One port, no epmd")
    %{"runtime.exs" => runtime, "vm.args" => vm_args, "remote.vm.args" => remote_vm_args}
  end

  defp generated(config) do
    config = [kubernetes_node_basename: "myapp", kubernetes_selector: "app=myapp"] ++ config
    topology = Options.new!(:k8s, config, %{})
    pods = [app: "my-app", image: "my-app:1", dist_port: 4370, cookie_secret: "myapp-cookie"]
    objects = for {object, _} <- YAML.documents!(Manifests.yaml([topology], pods)), do: object
    topologies = [k8s: [strategy: LibclusterKubernetes.Strategy, config: config]]
    runtime = "import Config\nconfig :libcluster, topologies: #{inspect(topologies)}\n"
    {objects, Map.put(release_files([topology], pods), "runtime.exs", runtime)}
  end

  defp with_pre_stop(%{"kind" => "Deployment"} = object) do
    update_in(object["spec"]["template"]["spec"], fn %{"containers" => [container]} = spec ->
      container = Map.put(container, "lifecycle", %{"preStop" => %{"sleep" => %{"seconds" => 40}}})
      Map.merge(spec, %{"containers" => [container], "terminationGracePeriodSeconds" => 60})
    end)
  end

  defp with_pre_stop(object), do: object

  defp forms_a_cluster(namespace, objects, files) do
    [workload] = for %{"kind" => kind} = object <- objects, kind in ["Deployment", "StatefulSet"], do: object
    replicas = workload["spec"]["replicas"]
    sight = Sight.start!(namespace, "")
    on_exit(fn -> Sight.stop(sight) end)
    Kubectl.apply!(namespace, Release.objects(objects, files))

    Scenario.await("#{replicas} pods are one cluster", fn ->
      pods = Sight.look(sight)
      Links.missing(pods, replicas) == nil and Enum.all?(pods, & &1.ready?)
    end)

    for pod <- Sight.seen(sight), do: assert(pod.node =~ ~r/^myapp@/)
    {sight, workload}
  end

  ## What is in the guides

  defp texts(path, language, heading) do
    for %{heading: ^heading, text: text} <- Guide.blocks(path, language), do: text
  end

  defp manifest(path, heading) do
    for %{heading: ^heading, object: object} <- Guide.objects(path), do: object
  end

  # By the file that the line above them names.
  defp release_files(topologies, pods) do
    for part <- topologies |> Manifests.release(pods) |> String.split("\n\n"),
        [_, file] <- [Regex.run(~r|^# rel/([\w.]+)\.eex|, part)],
        into: %{},
        do: {file, part <> "\n"}
  end
end
