defmodule LibclusterKubernetes.Test.Package do
  @moduledoc "What `mix hex.build` would put into the package, without Hex, and other projects that are built from it."

  @root Path.expand("../../..", __DIR__)

  @doc "The files of the package. As Hex does: each of `:files` is a pattern, and a folder is all that is in it."
  def files do
    Mix.Project.config()[:package][:files]
    |> Enum.flat_map(&Path.wildcard(Path.join(@root, &1)))
    |> Enum.flat_map(&if(File.dir?(&1), do: Path.wildcard(&1 <> "/**", match_dot: true), else: [&1]))
    |> Enum.filter(&File.regular?/1)
    |> Enum.map(&Path.relative_to(&1, @root))
    |> Enum.sort()
  end

  @doc "Copies the package into a folder. The files keep their times, so that cargo sees what it has built already."
  def copy!(folder) do
    File.rm_rf!(folder)

    for file <- files() do
      source = Path.join(@root, file)
      copy = Path.join(folder, file)
      File.mkdir_p!(Path.dirname(copy))
      File.cp!(source, copy)
      File.touch!(copy, File.stat!(source, time: :posix).mtime)
    end

    folder
  end

  @doc "Runs mix for the project in a folder, with the libcluster of this test run. Answers what it says, and its status."
  def mix(folder, args, env \\ []) do
    libs = Path.join(folder, "erl_libs")
    File.mkdir_p!(libs)

    for app <- [:libcluster, :telemetry], source = :code.lib_dir(app), is_list(source) do
      link = Path.join(libs, "#{app}")
      File.rm(link)
      File.ln_s!(Path.expand(source), link)
    end

    # Of this run, and not of that one.
    env = [{"ERL_LIBS", libs}, {"MIX_ENV", "prod"}, {"MIX_BUILD_PATH", nil} | env]
    System.cmd("mix", args, cd: folder, env: env, stderr_to_stdout: true)
  end
end
