defmodule LibclusterKubernetes.Guides.BlocksTest do
  # Whatever can be copied out of a guide compiles, is read, and says what the guide says of it.
  use ExUnit.Case, async: true

  import ExUnit.CaptureIO, only: [capture_io: 2]

  alias LibclusterKubernetes.Options
  alias LibclusterKubernetes.Test.{Guide, YAML}

  @guides Guide.all()

  test "all the guides are there" do
    for name <- ~w(from-libcluster modes-and-names deployments distribution operating how-it-works development) do
      assert "guides/#{name}.md" in @guides
    end
  end

  for path <- @guides do
    describe path do
      test "every Elixir block compiles, and every configuration is accepted" do
        for block <- Guide.blocks(unquote(path), "elixir"), do: check(block, Code.string_to_quoted!(block.text))
      end

      test "every manifest is read, and asks for no more than it says" do
        for %{object: object, at: at} <- Guide.objects(unquote(path)) do
          assert %{"apiVersion" => _, "kind" => _, "metadata" => %{"name" => _}} = object
          for rule <- List.wrap(object["rules"]), do: assert(rule["verbs"] -- ["list", "watch"] == [], at)
        end
      end

      test "every link to another guide, or to a part of one, leads somewhere" do
        for [target] <- Regex.scan(~r/\]\(((?!https?:)[^)]+)\)/, Guide.read!(unquote(path)), capture: :all_but_first) do
          check_link(unquote(path), String.split(target, "#"))
        end
      end

      test "every link into the repository names a file or a folder of it" do
        repository = Mix.Project.config()[:source_url]
        raw = String.replace(repository, "github.com", "raw.githubusercontent.com")

        for [_, file] <-
              Regex.scan(~r"\((?:#{repository}/(?:blob|tree)|#{raw})/main/([^)#]+)", Guide.read!(unquote(path))) do
          assert File.exists?(file), "#{unquote(path)} links to #{file}"
        end
      end
    end
  end

  test "the guide to options has a row for each of them" do
    {:docs_v1, _, _, _, %{"en" => documented}, _, _} = Code.fetch_docs(Options)
    options = Regex.scan(~r/^\* `:(\w+)`/m, documented, capture: :all_but_first)
    assert length(options) >= 16
    rows = Regex.scan(~r/^\| `(\w+)` \|/m, Guide.read!("guides/options.md"), capture: :all_but_first)
    assert options -- rows == []
    assert rows == Enum.uniq(rows)
  end

  # A configuration file.
  defp check(%{text: "import Config" <> _} = block, _quoted) do
    [libcluster: [topologies: topologies]] = Config.Reader.eval!(block.at, block.text, env: :prod)

    for {name, topology} <- topologies do
      case topology[:strategy] do
        LibclusterKubernetes.Strategy ->
          assert %Options{warnings: warnings} = Options.new!(name, topology[:config], %{})
          assert warnings == [], block.at

        # Of libcluster, for laptops.
        strategy ->
          assert strategy == Cluster.Strategy.LocalEpmd
      end
    end
  end

  # A part of one, as in the README.
  defp check(%{text: "config :" <> _} = block, quoted) do
    check(%{block | text: "import Config\n" <> block.text}, quoted)
  end

  # A module of the reader's, with libraries of the reader's. Tests of the reader's are run by development_test.exs.
  defp check(%{text: "defmodule" <> _} = block, quoted) do
    unless block.text =~ "use ExUnit.Case", do: compile(block, Macro.prewalk(quoted, &alone/1))
  end

  # Statements, which are compiled and not run.
  defp check(block, quoted) do
    module = Module.concat(__MODULE__, "Block#{System.unique_integer([:positive])}")

    warnings =
      capture_io(:stderr, fn ->
        Code.compile_quoted(quote(do: defmodule(unquote(module), do: def(run, do: unquote(quoted)))), block.at)
      end)

    purge(module)
    # A block ends with what it shows, and names what the reader goes on with.
    refute warnings =~ ~r/undefined|deprecated/, "#{block.at}: #{warnings}"
  end

  defp compile(block, quoted) do
    warnings =
      capture_io(:stderr, fn -> for {module, _} <- Code.compile_quoted(quoted, block.at), do: purge(module) end)

    refute warnings =~ ~r/LibclusterKubernetes\S* is undefined/, "#{block.at}: #{warnings}"
  end

  # What is used from Phoenix is not here.
  defp alone({:use, _, [{:__aliases__, _, [:Phoenix | _]}, _options]}), do: nil
  defp alone(quoted), do: quoted

  defp purge(module) do
    :code.purge(module)
    :code.delete(module)
  end

  defp check_link(path, ["" | part]), do: check_link(path, [Path.basename(path) | part])

  defp check_link(path, [file | part]) do
    target = path |> Path.dirname() |> Path.join(file) |> Path.expand("/") |> Path.relative_to("/")
    assert File.exists?(target), "#{path} links to #{file}"

    for anchor <- part do
      headings =
        for [heading] <- Regex.scan(~r/^#+ (.*)$/m, File.read!(target), capture: :all_but_first), do: slug(heading)

      assert anchor in headings, "#{path} links to ##{anchor} of #{file}"
    end
  end

  defp slug(heading),
    do: heading |> String.downcase() |> String.replace(~r/[^a-z0-9 _-]/, "") |> String.replace(" ", "-")

  test "a block of YAML that our reader would misread is refused" do
    for wrong <- [
          "a: yes\n",
          "a: 1.5\n",
          "a: &x b\n",
          "a:\n b: c\n   d: e\n",
          "a: b\na: c\n",
          "- a: b\n   c\n",
          "a: 010\n"
        ] do
      assert_raise_any(fn -> YAML.documents!(wrong) end)
    end
  end

  defp assert_raise_any(fun) do
    fun.()
  rescue
    _refused -> :ok
  else
    read -> flunk("read as #{inspect(read)}")
  end
end
