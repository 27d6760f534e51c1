# `LibclusterKubernetes.Native.V0_1_0` for version 0.1.0: the functions of the Rust library, as `LibclusterKubernetes.Native`
# describes them.
#
# The VM gives a module that has loaded a NIF library no other one: that would need a callback of the library which rustler
# does not have. So each version has a module of its own. In a hot upgrade the new one is loaded beside the old one, whose
# workers run on until their topologies have new ones. Loading the same one again is refused, and changes nothing.
version = String.replace(Mix.Project.config()[:version], ~r/[^[:alnum:]]/, "_")

defmodule Module.concat(["LibclusterKubernetes.Native", "V#{version}"]) do
  @moduledoc false

  alias LibclusterKubernetes.Native.Precompiled

  mix = Mix.Project.config()
  github = "#{mix[:source_url]}/releases/download/v#{mix[:version]}"
  base_url = Application.compile_env(:libcluster_kubernetes, :precompiled_base_url, github)
  precompiled = [version: mix[:version], base_url: base_url] ++ mix[:precompiled]

  # What the Mix compiler in mix.exs has put there, built by cargo or elsewhere. Else it is downloaded, now.
  folder = Path.join(Mix.Project.app_path(), "priv/native")
  built = Enum.map(~w(so dll), &Path.join(folder, "libcluster_kubernetes-#{mix[:version]}.#{&1}"))
  file = Enum.find(built, &File.regular?/1) || Precompiled.fetch!(folder, precompiled, __ENV__)

  @external_resource file
  # The version is in the file's name, too: dlopen() opens no new file of a name that it has opened already.
  @file_name "native/" <> Path.rootname(Path.basename(file))
  # Not `@on_load`: rustler_precompiled has set that, where it was asked.
  Module.put_attribute(__MODULE__, :on_load, :load)

  @doc false
  # Anything but `:ok` stops the boot of a release, also where no topology uses the library. So the module is there without
  # it, and whoever calls a function hears why. Not so where this module is at work already: then it stays as it is.
  def load do
    with {:error, _reason} = error <- load_library() do
      if :erlang.module_loaded(__MODULE__), do: error, else: :ok
    end
  end

  def start(options, pid), do: missing(:start, [options, pid])
  def acknowledge(handle, ref), do: missing(:acknowledge, [handle, ref])
  def refresh(handle), do: missing(:refresh, [handle])
  def stop(handle), do: missing(:stop, [handle])
  def list(options, pid), do: missing(:list, [options, pid])
  def probe(options, pid), do: missing(:probe, [options, pid])

  # The reason is of now: by now the library may be there.
  defp missing(function, args) do
    case load_library() do
      :ok -> apply(__MODULE__, function, args)
      {:error, {_kind, text}} -> :erlang.nif_error({:not_loaded, List.to_string(text)})
    end
  end

  defp load_library do
    :libcluster_kubernetes
    |> :code.priv_dir()
    |> :filename.join(String.to_charlist(@file_name))
    |> :erlang.load_nif(0)
  end
end
