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

  @doc """
  Writes a project that depends on the package in another folder, with a text as its configuration. When it starts, it
  evaluates what the variable `FRESH_EVAL` holds.
  """
  def fresh_project(folder, package, config \\ "") do
    File.rm_rf!(folder)
    for name <- ~w(lib config), do: File.mkdir_p!(Path.join(folder, name))
    File.write!(Path.join(folder, "config/config.exs"), "import Config\n" <> config)

    File.write!(Path.join(folder, "lib/fresh.ex"), """
    defmodule Fresh do
      use Application

      # What a test asks of the release.
      def start(_type, _args) do
        ask = fn -> if script = System.get_env("FRESH_EVAL"), do: Code.eval_string(script) end
        Supervisor.start_link([{Task, ask}], strategy: :one_for_one)
      end
    end
    """)

    File.write!(Path.join(folder, "mix.exs"), """
    defmodule Fresh.MixProject do
      use Mix.Project

      def project, do: [app: :fresh, version: "0.1.0", deps: [{:libcluster_kubernetes, path: #{inspect(package)}}]]
      def application, do: [extra_applications: [:logger], mod: {Fresh, []}]
    end
    """)

    folder
  end

  @doc """
  Runs mix for the project in a folder, with the libcluster of this test run, be it the stand-in, and what else it depends on,
  where that is there. Answers what it says, and its status.
  """
  def mix(folder, args, env \\ []) do
    libs = Path.join(folder, "erl_libs")
    File.rm_rf!(libs)
    File.mkdir_p!(libs)

    for app <- [:libcluster, :telemetry, :jason, :rustler_precompiled, :castore],
        source = :code.lib_dir(app),
        is_list(source) do
      File.ln_s!(Path.expand(source), Path.join(libs, "#{app}"))
    end

    # Of this run, and not of that one.
    env = [
      {"ERL_LIBS", libs},
      {"MIX_ENV", "prod"},
      {"MIX_BUILD_PATH", nil},
      {"LIBCLUSTER_KUBERNETES_NIF", nil},
      {"LIBCLUSTER_KUBERNETES_STAND_IN", "1"} | env
    ]

    System.cmd("mix", args, cd: folder, env: env, stderr_to_stdout: true)
  end
end
