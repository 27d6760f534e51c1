defmodule LibclusterKubernetes.Test.Cluster.Release do
  @moduledoc """
  Files that lie over those of the image, which is a release of examples/hello_cluster: those of `rel/` and
  `config/runtime.exs` as a guide gives them, in the pods of the guide's own manifest, of which all else but the image's name
  is as it is written; and those that are wrong in a pod of `App.pod/3`.
  """

  # Where the image has them: bin/lib/image.sh.
  @mix_exs File.read!("examples/hello_cluster/mix.exs")
  @version hd(Regex.run(~r/(?<=version: ")[^"]+/, @mix_exs))

  @empty %{"env.sh" => "", "vm.args" => "", "remote.vm.args" => ""}

  @type files :: %{String.t() => binary()}

  @doc """
  The objects of a manifest, with these files, of which `runtime.exs` is needed.
  """
  @spec objects([map()], files()) :: [map()]
  def objects(objects, files) do
    files = Map.merge(@empty, files)
    # So that the logs say when.
    files = Map.update!(files, "runtime.exs", &(&1 <> "\nconfig :hello_cluster, timestamps: true\n"))
    [config_map("release", files) | Enum.map(objects, &over(&1, files))]
  end

  @doc "What holds these files for a pod, and the options by which `App.pod/3` lays them over its image's."
  @spec pod(String.t(), files()) :: {map(), keyword()}
  def pod(name, files) do
    {config_map(name, files), container: %{volumeMounts: mounts(files)}, spec: %{volumes: [volume(name)]}}
  end

  defp over(%{"kind" => kind} = object, files) when kind in ["Deployment", "StatefulSet"] do
    update_in(object["spec"]["template"]["spec"], fn %{"containers" => [container]} = spec ->
      container =
        container
        |> Map.put("image", System.fetch_env!("CLUSTER_IMAGE"))
        |> Map.update("volumeMounts", mounts(files), &(&1 ++ mounts(files)))

      Map.merge(spec, %{"containers" => [container], "volumes" => [volume("release") | Map.get(spec, "volumes", [])]})
    end)
  end

  defp over(object, _files), do: object

  # Modules are no text.
  defp config_map(name, files) do
    data = for {file, content} <- files, into: %{}, do: {file, Base.encode64(content)}
    %{apiVersion: "v1", kind: "ConfigMap", metadata: %{name: name}, binaryData: data}
  end

  defp volume(name), do: %{name: "release", configMap: %{name: name}}

  defp mounts(files),
    do: for({file, _} <- files, do: %{name: "release", mountPath: "#{folder(file)}/#{file}", subPath: file})

  defp folder(file) do
    if Path.extname(file) == ".beam", do: "/app/lib/hello_cluster-#{@version}/ebin", else: "/app/releases/#{@version}"
  end
end
