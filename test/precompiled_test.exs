defmodule LibclusterKubernetes.PrecompiledTest do
  # What a user of the package from Hex gets: one file, which rustler_precompiled downloads and verifies. The file is the
  # library of this test run, packed by bin/release; the machine is without cargo: one that is called says so.
  use ExUnit.Case, async: false

  import LibclusterKubernetes.Test.FakeApiserver, only: [endpoints: 1]

  alias LibclusterKubernetes.Options
  alias LibclusterKubernetes.Test.{FakeApiserver, FileServer, Package, Recorder, Topology}

  @compile {:no_warn_undefined, RustlerPrecompiled}

  @moduletag :linux
  @moduletag :rustler_precompiled
  @moduletag timeout: 600_000

  @root Path.expand("..", __DIR__)
  @folder Path.join(@root, "_build/test/precompiled")

  setup_all do
    File.rm_rf!(@folder)
    files = Path.join(@folder, "files")
    {:ok, "nif-" <> target} = RustlerPrecompiled.target()
    [_nif_version, target] = String.split(target, "-", parts: 2)
    library = Application.app_dir(:libcluster_kubernetes, "priv/native/libcluster_kubernetes-#{version()}.so")
    File.mkdir_p!(Path.join(files, target))
    File.cp!(library, Path.join([files, target, "liblibcluster_kubernetes.so"]))

    # The others are missing here.
    assert {said, 1} = System.cmd(Path.join(@root, "bin/release"), ["pack", files], stderr_to_stdout: true)
    assert said =~ "missing: "
    assert [archive] = Path.wildcard(files <> "/*.tar.gz")
    assert [checksums] = Path.wildcard(files <> "/checksum-*.exs")
    package = Package.copy!(Path.join(@folder, "package"))
    File.cp!(checksums, Path.join(package, Path.basename(checksums)))

    File.mkdir_p!(Path.join(@folder, "bin"))
    cargo = Path.join(@folder, "bin/cargo")
    File.write!(cargo, "#!/bin/sh\necho 'cargo was called'\nexit 1\n")
    File.chmod!(cargo, 0o755)
    %{files: files, archive: archive, package: package}
  end

  # A user's home: nothing is in the cache.
  setup context do
    cache = Path.join(@folder, "cache")
    File.rm_rf!(cache)
    Map.put(context, :cache, Path.join(cache, "rustler_precompiled/precompiled_nifs/#{Path.basename(context.archive)}"))
  end

  defp serve(files, scheme \\ :http) do
    server = FileServer.start!(files, scheme)
    on_exit(fn -> if Process.alive?(server.pid), do: FileServer.stop(server) end)
    server
  end

  defp fresh(package, url) do
    config = "config :libcluster_kubernetes, precompiled_base_url: #{inspect(url)}\n"
    Package.fresh_project(Path.join(@folder, "fresh"), package, config)
  end

  defp mix(app, args, env \\ []) do
    path = Path.join(@folder, "bin") <> ":" <> System.fetch_env!("PATH")
    env = [{"PATH", path}, {"XDG_CACHE_HOME", Path.join(@folder, "cache")}, {"HEX_CACERTS_PATH", nil} | env]
    Package.mix(app, args, env)
  end

  defp version, do: to_string(Application.spec(:libcluster_kubernetes, :vsn))

  # Whatever retries are worth: the server's answer to each is the same.
  defp compile_error(app, env \\ []) do
    assert {said, 1} = mix(app, ["compile"], env)
    refute said =~ "cargo was called"
    assert said =~ "LIBCLUSTER_KUBERNETES_BUILD=1 builds it with cargo"
    said
  end

  test "a fresh project has it without cargo, for every environment, and so has its release", context do
    server = serve(context.files)
    app = fresh(context.package, server.url)
    began = System.monotonic_time(:millisecond)
    assert {got, 0} = mix(app, ["deps.get"])
    assert {said, 0} = mix(app, ["compile"])
    seconds = (System.monotonic_time(:millisecond) - began) / 1_000
    IO.puts("\na fresh project without cargo: deps.get, the download from this machine and compile took #{seconds} s")
    for word <- ~w(cargo Cargo rust Rust), do: refute(got <> said =~ ~r/\b#{word}\b/)
    # Before Elixir 1.15 it says that what is on ERL_LIBS is no dependency.
    refute said =~ ~r/warning: (?!RustlerPrecompiled.__using__)/
    assert said =~ "Generated fresh app"
    # From now on the cache is all there is.
    FileServer.stop(server)
    assert {said, 0} = mix(app, ["compile"], [{"MIX_ENV", "dev"}])
    refute said =~ "cargo"

    assert {_, 0} = mix(app, ["release", "--quiet"])
    assert start(app, list()) =~ ~s(ready: ["app@10.0.0.1"])
  end

  test "a library that does not load stops no release that boots, and says why", context do
    app = fresh(context.package, serve(context.files).url)
    assert {_, 0} = mix(app, ["compile"])
    assert {_, 0} = mix(app, ["release", "--quiet"])
    [library] = Path.wildcard(app <> "/_build/prod/rel/fresh/lib/libcluster_kubernetes-*/priv/native/*.so")
    File.write!(library, "no library")
    said = start(app, list())
    assert said =~ "the native library cannot be loaded: "
    assert said =~ library
    File.rm!(library)
    assert start(app, list()) =~ "No such file or directory"
  end

  test "by HTTPS the server is verified, by HEX_CACERTS_PATH where that is set", context do
    server = serve(context.files, :https)
    app = fresh(context.package, server.url)
    assert compile_error(app) =~ "tls_alert"
    assert {said, 0} = mix(app, ["compile"], [{"HEX_CACERTS_PATH", server.authority}])
    refute said =~ "cargo"
  end

  test "a file that is not the one that was published stops the compilation, and says what was expected", context do
    tampered = Path.join(@folder, "tampered")
    File.mkdir_p!(tampered)
    <<first, rest::binary>> = File.read!(context.archive)
    File.write!(Path.join(tampered, Path.basename(context.archive)), <<first>> <> rest <> "!")
    app = fresh(context.package, serve(tampered).url)

    for _downloaded_then_cached <- 1..2 do
      said = compile_error(app)
      assert said =~ "expected: sha256:#{sha256(context.archive)}"
      assert said =~ "found:    sha256:#{sha256(context.cache)}"
      assert said =~ "in #{context.cache}: remove it"
    end
  end

  test "a file that is missing, and a server that is away, stop the compilation", context do
    empty = Path.join(@folder, "empty")
    File.mkdir_p!(empty)
    server = serve(empty)
    app = fresh(context.package, server.url)
    said = compile_error(app)
    assert said =~ "#{server.url}#{Path.basename(context.archive)}"
    assert said =~ "404"
    FileServer.stop(server)
    assert compile_error(app) =~ "econnrefused"
  end

  test "without a configuration it is the release on GitHub, and HTTPS_PROXY is the way to it", context do
    away = serve(context.files)
    FileServer.stop(away)
    app = Package.fresh_project(Path.join(@folder, "fresh"), context.package)
    url = "#{Mix.Project.config()[:source_url]}/releases/download/v#{version()}/#{Path.basename(context.archive)}"
    said = compile_error(app, [{"HTTPS_PROXY", away.url}])
    assert said =~ url
    assert said =~ "econnrefused"
  end

  test "cargo builds it where it is asked for, and where there is none for the target", context do
    app = fresh(context.package, serve(context.files).url)

    for {env, why} <- [
          {[{"LIBCLUSTER_KUBERNETES_BUILD", "1"}], "LIBCLUSTER_KUBERNETES_BUILD is set"},
          {[{"RUSTLER_PRECOMPILED_FORCE_BUILD_ALL", "1"}], "the configuration of rustler_precompiled asks for it"},
          {[{"TARGET_ARCH", "riscv64"}], "none is precompiled for this target"}
        ] do
      assert {said, 1} = mix(app, ["compile"], env)
      assert said =~ ~r/libcluster_kubernetes: cargo builds the native library, as #{why}.*\ncargo was called/
    end
  end

  test "what cargo has built gives way to what is downloaded, and the other way round", context do
    app = fresh(context.package, serve(context.files).url)
    library = Application.app_dir(:libcluster_kubernetes, "priv/native/libcluster_kubernetes-#{version()}.so")
    native = Path.join(app, "_build/prod/lib/libcluster_kubernetes/priv/native")

    for {env, name} <- [
          {[], Path.basename(context.archive, ".tar.gz")},
          {[{"LIBCLUSTER_KUBERNETES_NIF", library}], Path.basename(library)},
          {[], Path.basename(context.archive, ".tar.gz")}
        ] do
      assert {_said, 0} = mix(app, ["compile"], env)
      assert File.ls!(native) == [name]
      assert {said, 0} = mix(app, ["run", "-e", "IO.inspect(#{list()})"], env)
      assert said =~ ~s(ready: ["app@10.0.0.1"])
    end
  end

  # What to evaluate for a list of names.
  defp list do
    api = FakeApiserver.start!()
    on_exit(fn -> FakeApiserver.stop(api) end)
    FakeApiserver.put(api, "endpoints", "app", endpoints(["10.0.0.1"]))
    {:ok, recorder} = Recorder.start_link()
    state = Topology.state(api, recorder)
    options = state.topology |> Options.new!(state.config, %{}) |> Options.to_native()
    asked = "with {:ok, _} <- LibclusterKubernetes.Native.list(#{inspect(options)}, self())"
    asked <> ", do: (receive do {:libcluster_kubernetes, _, {:list, answer}} -> answer end)"
  end

  # What a release says of an expression when it has started.
  defp start(app, expression) do
    env = [{"FRESH_EVAL", "IO.inspect(#{expression}); System.stop()"}, {"RELEASE_DISTRIBUTION", "none"}]
    script = Path.join(app, "_build/prod/rel/fresh/bin/fresh")
    {said, 0} = System.cmd(script, ["start"], env: env, stderr_to_stdout: true)
    said
  end

  defp sha256(file), do: Base.encode16(:crypto.hash(:sha256, File.read!(file)), case: :lower)
end
