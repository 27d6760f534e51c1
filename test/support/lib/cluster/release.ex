defmodule LibclusterKubernetes.Test.Cluster.Release do
  @moduledoc """
  A release as a guide describes it, in the pods of the guide's own manifest: the image has another name, and the files of
  `rel/` and `config/runtime.exs` that the guide gives lie over those of examples/hello_cluster. All else of the manifest
  is as it is written.
  """

  # Where the image has them: bin/lib/image.sh.
  @mix_exs File.read!("examples/hello_cluster/mix.exs")
  @folder "/app/releases/#{hd(Regex.run(~r/(?<=version: ")[^"]+/, @mix_exs))}"

  @empty %{"env.sh" => "", "vm.args" => "", "remote.vm.args" => ""}

  @doc """
  The objects of a manifest, with these files, of which `runtime.exs` is needed.
  """
  @spec objects([map()], %{String.t() => String.t()}) :: [map()]
  def objects(objects, files) do
    files = Map.merge(@empty, files)
    # So that the logs say when.
    runtime = files["runtime.exs"] <> "\nconfig :hello_cluster, timestamps: true\n"
    data = Map.put(files, "runtime.exs", runtime)
    config_map = %{apiVersion: "v1", kind: "ConfigMap", metadata: %{name: "release"}, data: data}
    [config_map | Enum.map(objects, &over(&1, Map.keys(data)))]
  end

  defp over(%{"kind" => kind} = object, files) when kind in ["Deployment", "StatefulSet"] do
    update_in(object["spec"]["template"]["spec"], fn %{"containers" => [container]} = spec ->
      mounts = for file <- files, do: %{name: "release", mountPath: "#{@folder}/#{file}", subPath: file}
      volume = %{name: "release", configMap: %{name: "release"}}

      container =
        container
        |> Map.put("image", System.fetch_env!("CLUSTER_IMAGE"))
        |> Map.update("volumeMounts", mounts, &(&1 ++ mounts))

      Map.merge(spec, %{"containers" => [container], "volumes" => [volume | Map.get(spec, "volumes", [])]})
    end)
  end

  defp over(object, _files), do: object
end
