defmodule LibclusterKubernetes.PackageTest do
  # What a user gets from Hex: the files of the package, and a project that depends on them.
  use ExUnit.Case, async: false

  import LibclusterKubernetes.Test.FakeApiserver, only: [endpoints: 1]

  alias LibclusterKubernetes.Options
  alias LibclusterKubernetes.Test.{FakeApiserver, JSON, Package, Recorder, Topology}

  @moduletag timeout: 600_000

  # In one place, so that cargo finds what it has built there before.
  @folder Path.expand("../_build/test/package", __DIR__)

  test "the package holds the sources of what it is built from, the texts, and nothing else" do
    # Where a release is made, with the checksums of what is precompiled.
    files = Enum.reject(Package.files(), &String.starts_with?(&1, "checksum-"))
    folders = files |> Enum.map(&Path.dirname/1) |> Enum.uniq()

    assert Enum.filter(files, &(Path.dirname(&1) == ".")) ==
             ~w(CHANGELOG.md Cargo.lock Cargo.toml LICENSE README.md SECURITY.md mix.exs)

    for file <- files, Path.dirname(file) != "." do
      assert file =~
               ~r"^(lib/.*\.ex|priv/monitoring/.*\.(json|yaml)|native/(discovery|nif)/src/.*\.rs|native/nif/build.rs|native/\w+/Cargo.toml|native/fake_apiserver/src/lib.rs)$"
    end

    assert "lib/libcluster_kubernetes" in folders
    assert "priv/monitoring" in folders
    assert "native/discovery/src" in folders
  end

  test "a fresh project that depends on the package builds it, and lists with it" do
    package = Package.copy!(Path.join(@folder, "libcluster_kubernetes"))
    app = Package.fresh_project(Path.join(@folder, "fresh"), package)
    assert {said, 0} = Package.mix(app, ["compile"])
    refute said =~ "warning"
    assert said =~ "Generated fresh app"

    # The build has a library of its own, and the dashboard is where the application finds it.
    built = Path.join(app, "_build/prod/lib/libcluster_kubernetes/priv")
    assert File.regular?(Path.join(built, "monitoring/grafana.json"))
    assert [_library] = Path.wildcard("#{built}/native/*.so")
    refute File.exists?(Path.join(package, "priv/native"))

    server = FakeApiserver.start!()
    on_exit(fn -> FakeApiserver.stop(server) end)
    FakeApiserver.put(server, "endpoints", "app", endpoints(["10.0.0.1"]))

    script = """
    {:ok, _} = LibclusterKubernetes.Native.list(#{inspect(options(server))}, self())
    receive do: ({:libcluster_kubernetes, _, {:list, {:ok, answer}}} -> IO.inspect(answer.ready))
    """

    assert {said, 0} = Package.mix(app, ["run", "--no-start", "-e", script])
    assert said =~ ~s(["app@10.0.0.1"])
  end

  test "bin/release makes a library for each target of mix.exs" do
    assert {targets, 0} = release(["targets"])
    assert String.split(targets) == Mix.Project.config()[:precompiled][:targets]
  end

  @tag :tmp_dir
  test "bin/release lists the crates that the library is made of, with their checksums", %{tmp_dir: folder} do
    assert {_said, 0} = release(["sbom", folder])
    assert [file] = Path.wildcard(folder <> "/*")
    assert Path.basename(file) == "libcluster_kubernetes-v#{Mix.Project.config()[:version]}.cdx.json"
    sbom = file |> File.read!() |> JSON.decode!()

    assert %{"bomFormat" => "CycloneDX", "metadata" => %{"component" => %{"name" => "libcluster_kubernetes_nif"}}} =
             sbom

    crates = Map.new(sbom["components"], &{&1["name"], &1})

    for name <- ~w(rustler ureq rustls ring serde) do
      assert %{"hashes" => [%{"alg" => "SHA-256", "content" => checksum}], "licenses" => [_]} = crates[name]
      assert File.read!("Cargo.lock") =~ checksum
    end

    assert Map.has_key?(crates, "discovery")
    for name <- ~w(fake_apiserver rcgen proptest), do: refute(Map.has_key?(crates, name))

    # Each is there for another, and what another is there for is there.
    named = Enum.map([sbom["metadata"]["component"] | sbom["components"]], & &1["bom-ref"])
    assert Enum.sort(named) == sbom["dependencies"] |> Enum.map(& &1["ref"]) |> Enum.sort()
    for %{"dependsOn" => needed} <- sbom["dependencies"], do: assert(needed -- named == [])
  end

  test "a tag of another version is no release, and what this one brings is in the changelog" do
    assert {notes, 0} = release(["notes", "v#{Mix.Project.config()[:version]}"])
    assert notes =~ "### "
    refute notes =~ ~r/^## /m
    assert {said, 1} = release(["notes", "v9.9.9"])
    assert said =~ "the tag is v9.9.9"
  end

  @tag :hex
  test "`mix hex.build` packs these files" do
    # It makes no package without checksums, which are there for a release only.
    checksums = "checksum-Elixir.LibclusterKubernetes.Native.Test.exs"
    File.write!(checksums, "%{}\n")
    on_exit(fn -> File.rm!(checksums) end)
    unpacked = Path.join(@folder, "unpacked")
    File.rm_rf!(unpacked)
    assert {_, 0} = System.cmd("mix", ["hex.build", "--unpack", "--output", unpacked], stderr_to_stdout: true)
    packed = (unpacked <> "/**") |> Path.wildcard(match_dot: true) |> Enum.filter(&File.regular?/1)
    packed = packed |> Enum.map(&Path.relative_to(&1, unpacked)) |> List.delete("hex_metadata.config")
    assert Enum.sort(packed) == Package.files()
  end

  defp release(args), do: System.cmd(Path.expand("../bin/release", __DIR__), args, stderr_to_stdout: true)

  defp options(server) do
    {:ok, recorder} = Recorder.start_link()
    state = Topology.state(server, recorder)
    state.topology |> Options.new!(state.config, %{}) |> Options.to_native()
  end
end
