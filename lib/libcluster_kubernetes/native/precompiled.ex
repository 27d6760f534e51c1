defmodule LibclusterKubernetes.Native.Precompiled do
  @moduledoc false
  # Has rustler_precompiled download the library, while the module that loads it is compiled. This is only called where it is
  # to be had (mix.exs decides that), and so `use` must not be expanded before.

  @ways_out """
  Without a precompiled library:

    * LIBCLUSTER_KUBERNETES_BUILD=1 builds it with cargo (Rust 1.91 or later, https://rustup.rs),
    * LIBCLUSTER_KUBERNETES_NIF=/path/to/library takes one that was built elsewhere,
    * config :libcluster_kubernetes, precompiled_base_url: "https://..." downloads it from a mirror.
  """

  @doc "Downloads the library into the folder, or takes it from the cache, and answers its path."
  @spec fetch!(Path.t(), keyword(), Macro.Env.t()) :: Path.t()
  def fetch!(folder, options, env) do
    # Of other versions, or for another target.
    File.rm_rf!(folder)
    options = [otp_app: :libcluster_kubernetes, crate: "libcluster_kubernetes"] ++ options
    use_rustler_precompiled(options, env)
    # Its function for @on_load makes no difference between a module's first time and the next.
    Module.delete_attribute(env.module, :on_load)
    [name] = File.ls!(folder)
    Path.join(folder, name)
  end

  defp use_rustler_precompiled(options, env) do
    Code.eval_quoted(quote(do: use(RustlerPrecompiled, unquote(Macro.escape(options)))), [], env)
  rescue
    error in RuntimeError -> Mix.raise(explain(error, env.module))
  end

  # Its advice is to build with a Mix task of rustler, which is not how this package is built.
  defp explain(error, module) do
    reason = error |> Exception.message() |> String.split("\n\n") |> hd()
    Enum.join([reason | checksums(module)] ++ ["", @ways_out], "\n")
  end

  # A file that is not what was expected stays in the cache, and is refused again.
  defp checksums(module) do
    {expected, _binding} = Code.eval_file("checksum-#{module}.exs")

    for {name, expected} <- expected,
        path = Path.join(cache(), name),
        {:ok, content} <- [File.read(path)],
        # By apply: the application itself does not need :crypto.
        found = "sha256:" <> Base.encode16(apply(:crypto, :hash, [:sha256, content]), case: :lower),
        found != expected,
        line <- ["expected: #{expected}", "found:    #{found}", "in #{path}: remove it to have it downloaded again"],
        do: line
  end

  # As rustler_precompiled finds it.
  defp cache do
    options = if System.get_env("MIX_XDG"), do: %{os: :linux}, else: %{}

    System.get_env("RUSTLER_PRECOMPILED_GLOBAL_CACHE_PATH") ||
      :filename.basedir(:user_cache, "rustler_precompiled/precompiled_nifs", options)
  end
end
