# `LibclusterKubernetes.Native.V0_1_0` for version 0.1.0: the functions of the Rust library, as `LibclusterKubernetes.Native`
# describes them.
#
# The VM gives a module that has loaded a NIF library no other one: that would need a callback of the library which rustler
# does not have. So each version has a module of its own. In a hot upgrade the new one is loaded beside the old one, whose
# workers run on until their topologies have new ones. Loading the same one again is refused by the VM, and changes nothing.
version = String.replace(Mix.Project.config()[:version], ~r/[^[:alnum:]]/, "_")

defmodule Module.concat(["LibclusterKubernetes.Native", "V#{version}"]) do
  @moduledoc false
  @on_load :load

  # The version is in the file's name, too: dlopen() opens no new file of a name that it has opened already.
  @file_name "native/libcluster_kubernetes-#{Mix.Project.config()[:version]}"

  def load do
    :libcluster_kubernetes
    |> :code.priv_dir()
    |> :filename.join(String.to_charlist(@file_name))
    |> :erlang.load_nif(0)
  end

  def start(_options, _pid), do: not_loaded()
  def acknowledge(_handle, _ref), do: not_loaded()
  def refresh(_handle), do: not_loaded()
  def stop(_handle), do: not_loaded()
  def list(_options, _pid), do: not_loaded()
  def probe(_options, _pid), do: not_loaded()

  defp not_loaded, do: :erlang.nif_error(:not_loaded)
end
