defmodule LibclusterKubernetes.MixProject do
  use Mix.Project

  @version "0.1.0"
  @source_url "https://github.com/libcluster-kubernetes/libcluster_kubernetes"

  # What bin/release builds. rustler's default is the NIF version of OTP 22 and later.
  @precompiled_targets ~w(
    aarch64-apple-darwin aarch64-unknown-linux-gnu aarch64-unknown-linux-musl
    x86_64-apple-darwin x86_64-unknown-linux-gnu x86_64-unknown-linux-musl
    x86_64-pc-windows-msvc
  )
  @nif_version "2.15"

  def project do
    [
      app: :libcluster_kubernetes,
      version: @version,
      elixir: "~> 1.13",
      start_permanent: Mix.env() == :prod,
      compilers: [:libcluster_kubernetes_nif] ++ Mix.compilers(),
      elixirc_paths: elixirc_paths(Mix.env()),
      # On ERL_LIBS rustler_precompiled is no dependency.
      elixirc_options: [warnings_as_errors: Mix.env() in [:test, :bench], no_warn_undefined: [RustlerPrecompiled]],
      deps: deps(),
      precompiled: [targets: @precompiled_targets, nif_versions: [@nif_version]],
      description:
        "Drop-in replacement for libcluster's Kubernetes strategy: verified TLS, and a cluster that no API failure tears down",
      package: package(),
      source_url: @source_url,
      docs: docs()
    ]
  end

  def application do
    [extra_applications: extra_applications(Mix.env()), mod: {LibclusterKubernetes.Application, []}]
  end

  # The tests and the bench talk to their servers over httpc.
  defp extra_applications(env) when env in [:test, :bench], do: [:inets, :ssl, :public_key] ++ extra_applications(:prod)
  # From Hex, telemetry is here as a dependency; it is a module of the stand-in.
  defp extra_applications(_), do: [:logger, :libcluster] ++ Enum.filter([:telemetry], &installed?/1)

  # The nodes of the tests find each other through the example's epmd module.
  defp elixirc_paths(:test), do: ["lib", "test/support/lib", "examples/hello_cluster/lib/hello_cluster/epmd.ex"]
  defp elixirc_paths(:bench), do: ["bench/lib" | elixirc_paths(:test)]
  defp elixirc_paths(_), do: ["lib"]

  # Each comes from ERL_LIBS where somebody put it there, else from Hex. Where there is no Hex (a machine without access to
  # hex.pm) a stand-in of our own takes libcluster's place in the tests, and the native library is built by cargo.
  defp deps do
    missing =
      Enum.reject(
        [
          {:libcluster, "~> 3.4"},
          {:telemetry, "~> 1.0"},
          {:rustler_precompiled, rustler_precompiled(), runtime: false},
          # With it the tests of downloads run.
          {:castore, "~> 1.0", only: :test, runtime: false},
          {:ex_doc, "~> 0.34", only: :dev, runtime: false}
        ],
        &(installed?(elem(&1, 0)) or (elem(&1, 0) == :ex_doc and old_elixir?()))
      )

    cond do
      Code.ensure_loaded?(Hex) -> missing
      installed?(:libcluster) -> []
      true -> [{:libcluster, path: "test/support/libcluster"}]
    end
  end

  # 0.9 wants Elixir 1.15, and Hex asks no package for that. Those who depend on this one choose for themselves.
  defp rustler_precompiled, do: if(old_elixir?(), do: "~> 0.8.0", else: "~> 0.8")

  # Too old for what is newest on Hex.
  defp old_elixir?, do: Version.match?(System.version(), "< 1.15.0")

  defp installed?(app), do: installed(app) != []

  @doc false
  # The folders on ERL_LIBS that have its code. Not :code.lib_dir/1: that would find the libcluster of the project that depends
  # on this one, too.
  def installed(app) do
    for libs <- String.split(System.get_env("ERL_LIBS", ""), ":", trim: true),
        file <- Path.wildcard("#{libs}/{#{app},#{app}-*}/ebin/#{app}.app"),
        do: Path.dirname(file)
  end

  # What a dependency is built from, and nothing else: test/package_test.exs builds it. fake_apiserver is not built, but
  # the Cargo.lock is of a workspace that has it, and cargo wants to see its manifest and that it is a library.
  defp package do
    [
      licenses: ["Apache-2.0"],
      links: %{"GitHub" => @source_url, "Changelog" => "#{@source_url}/blob/main/CHANGELOG.md"},
      files:
        ~w(lib priv/monitoring mix.exs checksum-*.exs Cargo.toml Cargo.lock README.md CHANGELOG.md SECURITY.md LICENSE) ++
          ~w(native/discovery/Cargo.toml native/discovery/src) ++
          ~w(native/nif/Cargo.toml native/nif/build.rs native/nif/src) ++
          ~w(native/fake_apiserver/Cargo.toml native/fake_apiserver/src/lib.rs)
    ]
  end

  defp docs do
    [
      main: "readme",
      source_ref: "v#{@version}",
      # The hidden module of the library has no page.
      skip_code_autolink_to: ["LibclusterKubernetes.Native.V" <> String.replace(@version, ".", "_")],
      extras: ["README.md"] ++ guides() ++ ["CHANGELOG.md", "SECURITY.md", "LICENSE"],
      groups_for_extras: [Guides: Path.wildcard("guides/*.md")],
      groups_for_modules: [
        "To form a cluster": [LibclusterKubernetes.Strategy, LibclusterKubernetes.Options, LibclusterKubernetes.Await],
        "To see what it does": [LibclusterKubernetes, ~r/^LibclusterKubernetes\./]
      ]
    ]
  end

  # In the order in which a team needs them; those that are not named here follow by name.
  defp guides do
    first =
      ~w(from-libcluster options modes-and-names development local-cluster questions deployments distribution docker) ++
        ~w(operating monitoring diagnose upgrading hot-upgrades costs how-it-works)

    guides = Path.wildcard("guides/*.md")
    Enum.filter(Enum.map(first, &"guides/#{&1}.md"), &(&1 in guides)) |> Enum.concat(guides) |> Enum.uniq()
  end
end

defmodule Mix.Tasks.Compile.LibclusterKubernetesNif do
  @moduledoc false
  # Where the native library comes from:
  #
  #   LIBCLUSTER_KUBERNETES_NIF=/path/to/library   was built elsewhere (Docker stages, Nix)
  #   rustler_precompiled                          downloads it, as lib/libcluster_kubernetes/native/library.ex tells it to
  #   cargo                                        builds it here, where `why_cargo/1` has a reason
  #
  # Of the first and the last this puts a file of one name where the module that loads it looks, into priv/native of the
  # build. It runs before the Elixir compiler: where there is no such file, library.ex turns to rustler_precompiled.
  use Mix.Task.Compiler

  @root __DIR__
  @crate "libcluster_kubernetes_nif"
  @elsewhere "LIBCLUSTER_KUBERNETES_NIF=/path/to/library takes one that was built elsewhere"

  @impl true
  def run(_args) do
    refuse_stand_in()
    own_priv()
    config = Mix.Project.config()

    case System.get_env("LIBCLUSTER_KUBERNETES_NIF", "") do
      "" ->
        if reason = why_cargo(config), do: put(build(reason), config), else: remove(target(config))

      path ->
        if File.regular?(path),
          do: put(path, config),
          else: Mix.raise("LIBCLUSTER_KUBERNETES_NIF=#{path} names no file")
    end
  end

  @impl true
  def manifests, do: []

  @impl true
  def clean, do: File.rm_rf!(folder())

  # Of the tests, which got into the releases of those who have no Hex without a word.
  defp refuse_stand_in do
    if Mix.env() == :prod and System.get_env("LIBCLUSTER_KUBERNETES_STAND_IN") != "1" and
         Code.ensure_loaded?(Cluster.StandIn) do
      Mix.raise(
        "libcluster_kubernetes has no libcluster but the stand-in of its own tests, which is not for production. " <>
          "Install Hex (mix local.hex), or put a compiled libcluster on ERL_LIBS. For a try: LIBCLUSTER_KUBERNETES_STAND_IN=1"
      )
    end
  end

  # What stands against a precompiled library, and how to do without cargo; or `nil`.
  defp why_cargo(config) do
    version = config[:version]

    cond do
      yes?("LIBCLUSTER_KUBERNETES_BUILD") ->
        {"LIBCLUSTER_KUBERNETES_BUILD is set", "without it a precompiled one is downloaded"}

      not rustler_precompiled?() ->
        {"rustler_precompiled, which would download one, is not there", "with Hex it is (mix local.hex)"}

      forced?() ->
        {"the configuration of rustler_precompiled asks for it", @elsewhere}

      "dev" in Version.parse!(version).pre ->
        {"#{version} is no release", @elsewhere}

      not File.regular?(Path.join(@root, checksums(version))) ->
        {"#{checksums(version)}, which the package on Hex has, is not here", @elsewhere}

      true ->
        unless precompiled?(config[:precompiled][:targets]), do: {"none is precompiled for this target", @elsewhere}
    end
  end

  # Since Elixir 1.15 only dependencies are on the code path, and what is on ERL_LIBS is none.
  defp rustler_precompiled? do
    with [_ | _] = folders <- LibclusterKubernetes.MixProject.installed(:rustler_precompiled) do
      Enum.each(folders ++ LibclusterKubernetes.MixProject.installed(:castore), &Code.append_path/1)

      if function_exported?(Mix, :ensure_application!, 1),
        do: for(app <- [:inets, :ssl], do: apply(Mix, :ensure_application!, [app]))
    end

    Code.ensure_loaded?(RustlerPrecompiled)
  end

  # By rustler_precompiled's own settings, with which it would call a Mix task of rustler.
  defp forced? do
    yes?("RUSTLER_PRECOMPILED_FORCE_BUILD_ALL") or
      Application.get_env(:rustler_precompiled, :force_build_all, false) or
      Application.get_env(:rustler_precompiled, :force_build, [])[:libcluster_kubernetes] == true
  end

  defp yes?(variable), do: System.get_env(variable) in ["1", "true"]

  # The name that rustler_precompiled reads.
  defp checksums(version) do
    "checksum-Elixir.LibclusterKubernetes.Native.V#{String.replace(version, ~r/[^[:alnum:]]/, "_")}.exs"
  end

  defp precompiled?(targets) do
    case RustlerPrecompiled.target() do
      {:ok, "nif-" <> target} -> target |> String.split("-", parts: 2) |> List.last() |> Kernel.in(targets)
      {:error, _reason} -> false
    end
  end

  # A library in use is replaced, not overwritten: a running VM has it mapped.
  defp put(source, config) do
    target = target(config)
    File.mkdir_p!(folder())
    # Of other versions, or downloaded.
    Enum.each(Path.wildcard("#{folder()}/*") -- [target], &File.rm!/1)

    if File.read(source) == File.read(target) do
      {:noop, []}
    else
      File.cp!(source, target <> ".new")
      File.rename!(target <> ".new", target)
      {:ok, []}
    end
  end

  defp remove(target) do
    _ = File.rm(target)
    {:noop, []}
  end

  defp folder, do: Path.join(Mix.Project.app_path(), "priv/native")

  # Mix makes priv of a build a link to that of the sources. But each build has a library of its own, for its system and
  # environment, so it gets a folder; Mix copies what is new in the sources into that.
  defp own_priv do
    priv = Path.join(Mix.Project.app_path(), "priv")

    if match?({:ok, _}, File.read_link(priv)) do
      File.rm!(priv)
      File.cp_r!("priv", priv)
    end
  end

  # lib/libcluster_kubernetes/native/library.ex, which loads it, says why the version is in the name.
  defp target(config) do
    extension = if match?({:win32, _}, :os.type()), do: "dll", else: "so"
    Path.join(folder(), "libcluster_kubernetes-#{config[:version]}.#{extension}")
  end

  defp build({why, how}) do
    cargo = System.find_executable("cargo") || Mix.raise(no_cargo(why, how))
    folder = cargo_folder()
    args = ~w(build --release --locked --package #{@crate} --message-format short --target-dir) ++ [folder]
    options = [:binary, :exit_status, :stderr_to_stdout, line: 1024, args: args, cd: @root]

    announcement =
      "libcluster_kubernetes: cargo builds the native library, as #{why}. " <>
        "It takes a minute or two, once for all environments; #{how}"

    case {:spawn_executable, cargo} |> Port.open(options) |> show(announcement) do
      0 -> built(Path.join([folder | release_folder()] ++ [library()]))
      status -> Mix.raise("cargo could not build the native library (exit status #{status}), see above. #{@elsewhere}")
    end
  end

  defp no_cargo(why, how) do
    "libcluster_kubernetes needs cargo to build its native library, as #{why}, and there is no cargo. " <>
      "Install Rust 1.91 or later (https://rustup.rs), or do without: #{Enum.join(Enum.uniq([how, @elsewhere]), "; ")}"
  end

  # What cargo says, after the announcement; nothing where it finds everything built.
  defp show(port, announcement) do
    receive do
      {^port, {:data, {_, "    Finished" <> _}}} when announcement != nil ->
        show(port, announcement)

      {^port, {:data, {_, line}}} ->
        if announcement, do: Mix.shell().info(announcement)
        Mix.shell().info(line)
        show(port, nil)

      {^port, {:exit_status, status}} ->
        status
    end
  end

  # One for all environments: beside their folders, unless MIX_BUILD_PATH says that there is one folder only.
  defp cargo_folder do
    build = Mix.Project.build_path()
    root = if System.get_env("MIX_BUILD_PATH"), do: build, else: Path.dirname(build)
    System.get_env("CARGO_TARGET_DIR") || Path.join(root, "libcluster_kubernetes-cargo")
  end

  defp built(library) do
    if File.regular?(library), do: library, else: Mix.raise(not_there(library))
  end

  defp not_there(library) do
    "cargo built the native library of libcluster_kubernetes, but not as #{library}. Where a configuration of cargo sets " <>
      "build.target or build.target-dir, set CARGO_BUILD_TARGET and CARGO_TARGET_DIR to the same"
  end

  # With CARGO_BUILD_TARGET cargo adds a folder for the target.
  defp release_folder, do: List.wrap(System.get_env("CARGO_BUILD_TARGET")) ++ ["release"]

  defp library do
    system = System.get_env("CARGO_BUILD_TARGET") || to_string(:erlang.system_info(:system_architecture))

    cond do
      system =~ "darwin" -> "liblibcluster_kubernetes.dylib"
      system =~ "win32" or system =~ "windows" -> "libcluster_kubernetes.dll"
      true -> "liblibcluster_kubernetes.so"
    end
  end
end
