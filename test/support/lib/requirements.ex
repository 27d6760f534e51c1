defmodule LibclusterKubernetes.Test.Requirements do
  @moduledoc "What this machine has for the tests, in one line each."

  alias LibclusterKubernetes.Test.Clock

  @doc "Which libcluster the tests run with."
  def libcluster do
    version = to_string(Application.spec(:libcluster, :vsn))
    folder = to_string(:code.lib_dir(:libcluster))

    source =
      cond do
        String.ends_with?(version, "-standin") -> "our stand-in, test/support/libcluster (neither Hex nor ERL_LIBS)"
        in_erl_libs?(folder) -> "from ERL_LIBS"
        true -> "from Hex"
      end

    "libcluster: #{version}, #{source}"
  end

  @doc "The tags of the tests that cannot run here, and a line for each kind."
  def excluded do
    [
      {:kube_apiserver, System.get_env("KUBEBUILDER_ASSETS"), "the real kube-apiserver",
       "set KUBEBUILDER_ASSETS to a folder with kube-apiserver and etcd"},
      {:linux, linux(), "nodes with loopback addresses of their own, and what is seen in /proc", "needs Linux"},
      {:network_namespace, network_namespace(), "a cut cable between network namespaces",
       "needs root and the ip command of iproute2"},
      {:clock, Clock.library(), "a wall clock that jumps", "needs libfaketime, Debian: libfaketime"},
      {:real_libcluster, real_libcluster(), "names compared with libcluster's own strategy",
       "needs libcluster itself, from Hex or ERL_LIBS"},
      {:rustler_precompiled, rustler_precompiled(), "native libraries that are downloaded",
       "needs rustler_precompiled and castore, from Hex or ERL_LIBS"},
      {:promtool, System.find_executable("promtool"), "the alerts for Prometheus",
       "needs promtool, Debian: prometheus"},
      {:hex, hex(), "the package as mix hex.build makes it", "needs Hex"},
      {:cluster, System.get_env("CLUSTER_IMAGE"), "real pods", "bin/test-cluster runs them"}
    ]
    |> Enum.map(fn
      {tag, missing, what, why} when missing in [nil, ""] -> {[tag], "skipped: #{what} (#{why})"}
      {_tag, with, what, _why} -> {[], "included: #{what} (#{with})"}
    end)
    |> Enum.unzip()
    |> then(fn {tags, lines} -> {Enum.concat(tags), lines} end)
  end

  defp linux, do: if(:os.type() == {:unix, :linux}, do: "Linux")

  defp network_namespace do
    ip = System.find_executable("ip")
    if ip && match?({"0\n", 0}, System.cmd("id", ["-u"])), do: ip
  end

  defp real_libcluster do
    if Code.ensure_loaded?(Cluster.Strategy.Kubernetes), do: to_string(Application.spec(:libcluster, :vsn))
  end

  defp rustler_precompiled do
    if Code.ensure_loaded?(RustlerPrecompiled) and Code.ensure_loaded?(CAStore) do
      Application.load(:rustler_precompiled)
      to_string(Application.spec(:rustler_precompiled, :vsn))
    end
  end

  defp hex, do: if(Code.ensure_loaded?(Hex), do: apply(Hex, :version, []))

  defp in_erl_libs?(folder) do
    "ERL_LIBS"
    |> System.get_env("")
    |> String.split(":", trim: true)
    |> Enum.any?(&String.starts_with?(folder, Path.expand(&1)))
  end
end
