defmodule LibclusterKubernetes.LayoutTest do
  # Where a change belongs is said by the folders, and stays so: what each may use is in the table, and no files use each
  # other in a circle. The sources are read, so that types and structs count as well as calls.
  use ExUnit.Case, async: true

  # From the ground up. A room is a folder, or a file at the top.
  @may_use %{
    "native/" => ~w(),
    "plain" => ~w(),
    "options/" => ~w(),
    "options" => ~w(options/),
    # The parts of the process know nothing of those who ask it.
    "strategy/" => ~w(native/ options options/),
    "info" => ~w(options strategy/),
    "telemetry/" => ~w(),
    "telemetry" => ~w(telemetry/ strategy/ native/ options),
    "readiness" => ~w(info),
    "strategy" => ~w(strategy/ native/ options info telemetry),
    "application" => ~w(strategy strategy/ diagnosis/),
    "await" => ~w(strategy strategy/),
    # It finds the process of a topology, and whether one is configured with our strategy.
    "diagnosis/" => ~w(native/ options options/ strategy strategy/),
    "diagnosis" => ~w(diagnosis/ native/ options),
    "manifests/" => ~w(options options/),
    "mix/tasks/" => ~w(manifests/ options strategy),
    "libcluster_kubernetes" => ~w(await diagnosis diagnosis/ info plain readiness strategy/)
  }

  @root Path.expand("..", __DIR__)

  test "no files of lib/ use each other in a circle" do
    assert circle(uses(sources())) == %{}
  end

  test "no room of lib/ uses one that it may not" do
    for {file, used} <- uses(sources()), other <- used, room(file) != room(other) do
      assert Map.has_key?(@may_use, room(file)),
             "#{file}: say in the table of #{__ENV__.file} what #{room(file)} may use"

      assert room(other) in @may_use[room(file)],
             "#{file} uses #{other}, but #{room(file)} may use only #{inspect(@may_use[room(file)])}: " <>
               "move what it needs to where both may use it"
    end
  end

  test "the table has no circle either" do
    assert circle(@may_use) == %{}
  end

  test "the test of a file has the path of the file" do
    for test <- Path.wildcard("#{@root}/test/{libcluster_kubernetes,mix}/**/*_test.exs") do
      file = test |> Path.relative_to("#{@root}/test") |> String.replace_suffix("_test.exs", ".ex")
      assert File.exists?(Path.join([@root, "lib", file])), "#{test} tests no lib/#{file}"
    end
  end

  # That the above can fail.
  test "a circle is found by every way to name a module, with the files that are in it, and no others" do
    found = [
      {"a.ex", "defmodule A do\n  alias B.C\n  def a, do: C.D.d()\nend"},
      {"d.ex", "defmodule B.C.D do\n  alias B.E\n  alias B, as: X\n  alias X.F\n  def d, do: {E.e(), F.f()}\nend"},
      {"e.ex", "defmodule B.E do\n  @spec e() :: B.G.t()\n  def e, do: 1\nend"},
      {"f.ex", "defmodule B.F do\n  alias B.G, as: A\n  def f, do: %A{}\nend"},
      {"g.ex", "defmodule B.G do\n  def g, do: :\"Elixir.B.C.D\"\n  def h, do: &B.C.D.d/0\nend"}
    ]

    assert %{"a.ex" => ["d.ex"], "d.ex" => ["e.ex", "f.ex"], "f.ex" => ["g.ex"]} = uses(found)
    assert found |> uses() |> circle() |> Map.keys() == ["d.ex", "e.ex", "f.ex", "g.ex"]
    assert found |> List.delete_at(4) |> uses() |> circle() == %{}
  end

  defp sources do
    for path <- Path.wildcard("#{@root}/lib/**/*.ex"), do: {Path.relative_to(path, "#{@root}/lib"), File.read!(path)}
  end

  defp room("libcluster_kubernetes/" <> path) do
    case Path.split(path) do
      [file] -> Path.rootname(file)
      [folder | _] -> folder <> "/"
    end
  end

  defp room("mix/tasks/" <> _), do: "mix/tasks/"
  defp room(file), do: Path.rootname(file)

  # Which files each file uses.
  defp uses(sources) do
    parsed = for {file, source} <- sources, do: {file, Code.string_to_quoted!(source)}
    home = for {file, ast} <- parsed, module <- defined(ast), into: %{}, do: {module, file}

    for {file, ast} <- parsed, into: %{} do
      {file, for(module <- named(ast), used = home[module], used != file, uniq: true, do: used) |> Enum.sort()}
    end
  end

  defp defined(ast), do: for({:defmodule, _, [{:__aliases__, _, parts} | _]} <- Macro.prewalker(ast), do: parts)

  defp named(ast) do
    {ast, aliases} = Macro.prewalk(ast, %{}, &aliases/2)
    Map.values(aliases) ++ for {:__aliases__, _, parts} <- Macro.prewalker(ast), do: expand(parts, aliases)
  end

  defp aliases({:alias, _, [{{:., _, [{:__aliases__, _, prefix}, :{}]}, _, several}]}, aliases) do
    prefix = expand(prefix, aliases)
    {nil, for({:__aliases__, _, parts} <- several, into: aliases, do: {List.last(parts), prefix ++ parts})}
  end

  defp aliases({:alias, _, [{:__aliases__, _, parts} | as]}, aliases) do
    short = with [[as: {:__aliases__, _, [short]}]] <- as, do: short, else: (_ -> List.last(parts))
    {nil, Map.put(aliases, short, expand(parts, aliases))}
  end

  defp aliases(other, aliases), do: {other, aliases}

  defp expand([first | rest], aliases), do: Map.get(aliases, first, [first]) ++ rest

  # What is left once everything is taken away that uses nothing more, or is used by nothing more.
  defp circle(uses) do
    used = uses |> Map.values() |> Enum.concat()

    left =
      for {one, others} <- uses,
          one in used,
          others = Enum.filter(others, &is_map_key(uses, &1)),
          others != [],
          into: %{},
          do: {one, others}

    if left == uses, do: left, else: circle(left)
  end
end
