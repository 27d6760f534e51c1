defmodule LibclusterKubernetes.NifCompilerTest do
  # The Mix compiler in mix.exs, for a project whose build is a folder of the test, and with a cargo that writes down how it
  # was called. test/package_test.exs has the real one, and test/precompiled_test.exs what is downloaded.
  use ExUnit.Case, async: false

  alias Mix.Tasks.Compile.LibclusterKubernetesNif

  @moduletag :linux

  defmodule Project do
    def project, do: [app: :elsewhere, version: "1.2.3", build_path: System.fetch_env!("TEST_BUILD_PATH")]
  end

  @variables ~w(PATH CARGO_TARGET_DIR CARGO_BUILD_TARGET TEST_BUILD_PATH MIX_BUILD_PATH) ++
               ~w(LIBCLUSTER_KUBERNETES_NIF LIBCLUSTER_KUBERNETES_BUILD LIBCLUSTER_KUBERNETES_STAND_IN)

  setup do
    folder = Path.join(System.tmp_dir!(), "nif-compiler-#{System.pid()}-#{System.unique_integer([:positive])}")
    File.mkdir_p!(folder)
    before = Map.new(@variables, &{&1, System.get_env(&1)})
    System.put_env(%{"TEST_BUILD_PATH" => folder, "CARGO_TARGET_DIR" => Path.join(folder, "target"), "PATH" => folder})
    for name <- @variables -- ~w(PATH CARGO_TARGET_DIR TEST_BUILD_PATH), do: System.delete_env(name)
    # A reason to build that every machine has.
    System.put_env("LIBCLUSTER_KUBERNETES_BUILD", "1")
    {shell, env} = {Mix.shell(), Mix.env()}
    Mix.shell(Mix.Shell.Process)
    :ok = Mix.Project.push(Project)

    on_exit(fn ->
      Mix.Project.pop()
      Mix.shell(shell)
      Mix.env(env)
      for {name, value} <- before, do: if(value, do: System.put_env(name, value), else: System.delete_env(name))
      File.rm_rf!(folder)
    end)

    %{folder: folder, library: Path.join(Mix.Project.app_path(), "priv/native/libcluster_kubernetes-1.2.3.so")}
  end

  # Builds what is named, in the folder of its target directory, where that is not there yet; talks as cargo does.
  defp cargo(folder, built) do
    path = Path.join(folder, "cargo")

    File.write!(path, """
    #!/bin/sh
    for folder; do :; done
    if ! [ -e "$folder/#{built}" ]; then
      echo "   Compiling discovery v1.2.3"
      /bin/mkdir -p "$(/usr/bin/dirname "$folder/#{built}")"
      echo "cargo $*" > "$folder/#{built}"
    fi
    echo "    Finished release in no time"
    """)

    File.chmod!(path, 0o755)
  end

  test "takes what cargo built, and does nothing where nothing has changed", %{folder: folder, library: library} do
    cargo(folder, "release/liblibcluster_kubernetes.so")
    assert LibclusterKubernetesNif.run([]) == {:ok, []}
    assert File.read!(library) =~ ~r/^cargo build --release --locked .*--package libcluster_kubernetes_nif/
    assert LibclusterKubernetesNif.run([]) == {:noop, []}
  end

  # What was said since it was last asked.
  defp said do
    receive do
      {:mix_shell, _kind, ["==> " <> _]} -> said()
      {:mix_shell, _kind, [text]} -> [text | said()]
    after
      0 -> []
    end
  end

  test "says what it does before cargo begins, shows its progress, and is silent where all is built", %{folder: folder} do
    cargo(folder, "release/liblibcluster_kubernetes.so")
    LibclusterKubernetesNif.run([])

    assert [
             "libcluster_kubernetes: cargo builds the native library, as LIBCLUSTER_KUBERNETES_BUILD is set. " <> rest,
             one,
             two
           ] = said()

    assert rest =~ "a minute or two, once for all environments; without it a precompiled one is downloaded"
    assert [one, two] == ["   Compiling discovery v1.2.3", "    Finished release in no time"]
    LibclusterKubernetesNif.run([])
    assert said() == []
  end

  test "all environments have one target folder", %{folder: folder} do
    System.delete_env("CARGO_TARGET_DIR")
    cargo(folder, "release/liblibcluster_kubernetes.so")
    libraries = for env <- [:dev, :test], do: in_environment(env)
    assert [[_ | _], []] = Enum.map(libraries, & &1.said)
    assert [one, other] = Enum.map(libraries, &File.read!(&1.path))
    assert one == other
    assert one =~ "--target-dir #{folder}/libcluster_kubernetes-cargo\n"
  end

  defp in_environment(env) do
    Mix.Project.pop()
    Mix.env(env)
    Mix.Project.push(Project)
    LibclusterKubernetesNif.run([])
    [path] = Path.wildcard(Mix.Project.app_path() <> "/priv/native/*")
    %{path: path, said: said()}
  end

  test "a build has a library of its own, where Mix has linked its priv to that of the sources", context do
    cargo(context.folder, "release/liblibcluster_kubernetes.so")
    priv = Path.join(Mix.Project.app_path(), "priv")
    File.mkdir_p!(Path.dirname(priv))
    File.ln_s!(Path.expand("priv"), priv)
    assert LibclusterKubernetesNif.run([]) == {:ok, []}
    assert {:error, _no_link} = File.read_link(priv)
    assert File.regular?(Path.join(priv, "monitoring/grafana.json"))
    refute File.exists?(Path.join("priv/native", Path.basename(context.library)))
  end

  test "removes the libraries of other versions", %{folder: folder, library: library} do
    cargo(folder, "release/liblibcluster_kubernetes.so")
    File.mkdir_p!(Path.dirname(library))
    File.write!(Path.join(Path.dirname(library), "libcluster_kubernetes-1.2.2.so"), "old")
    LibclusterKubernetesNif.run([])
    assert File.ls!(Path.dirname(library)) == [Path.basename(library)]
  end

  test "CARGO_BUILD_TARGET has a folder of its own, and its own name for libraries", %{folder: folder, library: library} do
    System.put_env("CARGO_BUILD_TARGET", "aarch64-unknown-linux-musl")
    cargo(folder, "aarch64-unknown-linux-musl/release/liblibcluster_kubernetes.so")
    assert LibclusterKubernetesNif.run([]) == {:ok, []}
    assert File.regular?(library)

    File.rm!(library)
    System.put_env("CARGO_BUILD_TARGET", "aarch64-apple-darwin")
    cargo(folder, "aarch64-apple-darwin/release/liblibcluster_kubernetes.dylib")
    assert LibclusterKubernetesNif.run([]) == {:ok, []}
    assert File.regular?(library)
  end

  test "says where it looked when cargo builds elsewhere", %{folder: folder} do
    cargo(folder, "x86_64-unknown-linux-musl/release/liblibcluster_kubernetes.so")

    assert_raise Mix.Error, ~r"not as .*/target/release/.*set CARGO_BUILD_TARGET", fn ->
      LibclusterKubernetesNif.run([])
    end
  end

  test "says both ways out where there is no cargo" do
    assert_raise Mix.Error, ~r"needs cargo .*Install Rust .*https://rustup.rs.*LIBCLUSTER_KUBERNETES_NIF=/path", fn ->
      LibclusterKubernetesNif.run([])
    end
  end

  test "says what stands against a precompiled library in a checkout" do
    System.delete_env("LIBCLUSTER_KUBERNETES_BUILD")

    reasons =
      "(rustler_precompiled, which would|checksum-Elixir.LibclusterKubernetes.Native.V1_2_3.exs, which the package)"

    assert_raise Mix.Error, ~r"needs cargo .*, as #{reasons}", fn -> LibclusterKubernetesNif.run([]) end
  end

  if Code.ensure_loaded?(Cluster.StandIn) do
    test "the stand-in for libcluster is refused where it would get into a release", %{folder: folder} do
      cargo(folder, "release/liblibcluster_kubernetes.so")
      Mix.env(:prod)
      assert_raise Mix.Error, ~r/Install Hex .*ERL_LIBS/, fn -> LibclusterKubernetesNif.run([]) end
      System.put_env("LIBCLUSTER_KUBERNETES_STAND_IN", "1")
      assert LibclusterKubernetesNif.run([]) == {:ok, []}
    end
  end

  test "LIBCLUSTER_KUBERNETES_NIF is taken as it is, without cargo", %{folder: folder, library: library} do
    elsewhere = Path.join(folder, "built-elsewhere")
    File.write!(elsewhere, "a library")
    System.put_env("LIBCLUSTER_KUBERNETES_NIF", elsewhere)
    assert LibclusterKubernetesNif.run([]) == {:ok, []}
    assert File.read!(library) == "a library"
  end

  test "LIBCLUSTER_KUBERNETES_NIF that names no file is refused", %{folder: folder} do
    cargo(folder, "release/liblibcluster_kubernetes.so")
    System.put_env("LIBCLUSTER_KUBERNETES_NIF", Path.join(folder, "absent.so"))

    assert_raise Mix.Error, ~r"LIBCLUSTER_KUBERNETES_NIF=.*/absent.so names no file", fn ->
      LibclusterKubernetesNif.run([])
    end

    # Empty, as an ARG of a Dockerfile may be, is not given.
    System.put_env("LIBCLUSTER_KUBERNETES_NIF", "")
    assert LibclusterKubernetesNif.run([]) == {:ok, []}
  end
end
