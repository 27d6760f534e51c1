defmodule LibclusterKubernetes.MixProject do
  use Mix.Project

  @version "0.1.0"
  @source_url "https://github.com/libcluster-kubernetes/libcluster_kubernetes"

  def project do
    [
      app: :libcluster_kubernetes,
      version: @version,
      elixir: "~> 1.13",
      start_permanent: Mix.env() == :prod,
      compilers: [:libcluster_kubernetes_nif] ++ Mix.compilers(),
      elixirc_paths: elixirc_paths(Mix.env()),
      elixirc_options: [warnings_as_errors: Mix.env() in [:test, :bench]],
      deps: deps(),
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
  defp extra_applications(_), do: [:logger, :libcluster]

  # The nodes of the tests find each other through the example's epmd module.
  defp elixirc_paths(:test), do: ["lib", "test/support/lib", "examples/hello_cluster/lib/hello_cluster/epmd.ex"]
  defp elixirc_paths(:bench), do: ["bench/lib" | elixirc_paths(:test)]
  defp elixirc_paths(_), do: ["lib"]

  # libcluster comes from ERL_LIBS where somebody put it there, from Hex where Hex is, and where there is neither
  # (a machine without access to hex.pm) from a stand-in of our own, which is never packaged.
  defp deps do
    cond do
      installed?("libcluster") -> []
      Code.ensure_loaded?(Hex) -> [{:libcluster, "~> 3.4"}, {:ex_doc, "~> 0.34", only: :dev, runtime: false}]
      true -> [{:libcluster, path: "test/support/libcluster"}]
    end
  end

  # Not :code.lib_dir/1: that would find the libcluster of the project that depends on this one, too.
  defp installed?(app) do
    "ERL_LIBS"
    |> System.get_env("")
    |> String.split(":", trim: true)
    |> Enum.any?(&(Path.wildcard("#{&1}/{#{app},#{app}-*}/ebin/#{app}.app") != []))
  end

  # What a dependency is built from, and nothing else: test/package_test.exs builds it. fake_apiserver is not built, but
  # the Cargo.lock is of a workspace that has it, and cargo wants to see its manifest and that it is a library.
  defp package do
    [
      licenses: ["Apache-2.0"],
      links: %{"GitHub" => @source_url, "Changelog" => "#{@source_url}/blob/main/CHANGELOG.md"},
      files:
        ~w(lib priv/monitoring mix.exs Cargo.toml Cargo.lock README.md CHANGELOG.md SECURITY.md LICENSE) ++
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
      ~w(from-libcluster modes-and-names deployments distribution docker operating monitoring diagnose hot-upgrades how-it-works)

    guides = Path.wildcard("guides/*.md")
    Enum.filter(Enum.map(first, &"guides/#{&1}.md"), &(&1 in guides)) |> Enum.concat(guides) |> Enum.uniq()
  end
end

defmodule Mix.Tasks.Compile.LibclusterKubernetesNif do
  @moduledoc false
  # Builds the Rust library with cargo and puts it where the module that loads it looks: priv/native of the build.
  # LIBCLUSTER_KUBERNETES_NIF=/path/to/library takes one that was built elsewhere (Docker stages, Nix).
  use Mix.Task.Compiler

  @root __DIR__
  @crate "libcluster_kubernetes_nif"

  @impl true
  def run(_args) do
    own_priv()
    source = built_elsewhere() || build()
    target = target()
    File.mkdir_p!(folder())
    # Of other versions.
    Enum.each(Path.wildcard("#{folder()}/*.so") -- [target], &File.rm!/1)

    if same?(source, target) do
      {:noop, []}
    else
      # A library in use is replaced, not overwritten: a running VM has it mapped.
      File.cp!(source, target <> ".new")
      File.rename!(target <> ".new", target)
      {:ok, []}
    end
  end

  @impl true
  def manifests, do: []

  @impl true
  def clean, do: File.rm_rf!(folder())

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
  defp target, do: Path.join(folder(), "libcluster_kubernetes-#{Mix.Project.config()[:version]}.so")

  defp built_elsewhere do
    case System.get_env("LIBCLUSTER_KUBERNETES_NIF", "") do
      "" -> nil
      path -> if File.regular?(path), do: path, else: Mix.raise("LIBCLUSTER_KUBERNETES_NIF=#{path} names no file")
    end
  end

  defp build do
    cargo =
      System.find_executable("cargo") ||
        Mix.raise(
          "libcluster_kubernetes needs cargo (https://rustup.rs) to build its NIF, or LIBCLUSTER_KUBERNETES_NIF=/path/to/library of one built elsewhere"
        )

    target_dir = System.get_env("CARGO_TARGET_DIR") || Path.join(Mix.Project.app_path(), "native")
    args = ~w(build --release --locked --quiet --package #{@crate} --message-format short --target-dir) ++ [target_dir]
    library = Path.join([target_dir | release_folder()] ++ [library()])

    case System.cmd(cargo, args, cd: @root, stderr_to_stdout: true, into: IO.stream()) do
      {_, 0} ->
        if File.regular?(library), do: library, else: Mix.raise(elsewhere(library))

      {_, status} ->
        Mix.raise("cargo could not build the NIF of libcluster_kubernetes (exit status #{status}), see above")
    end
  end

  defp elsewhere(library) do
    "cargo built the NIF of libcluster_kubernetes, but not as #{library}. Where a configuration of cargo sets build.target " <>
      "or build.target-dir, set CARGO_BUILD_TARGET and CARGO_TARGET_DIR to the same"
  end

  # With CARGO_BUILD_TARGET cargo adds a folder for the target.
  defp release_folder, do: List.wrap(System.get_env("CARGO_BUILD_TARGET")) ++ ["release"]

  defp library do
    system = System.get_env("CARGO_BUILD_TARGET") || to_string(:erlang.system_info(:system_architecture))
    if system =~ "darwin", do: "liblibcluster_kubernetes.dylib", else: "liblibcluster_kubernetes.so"
  end

  defp same?(source, target), do: File.read(source) == File.read(target)
end
