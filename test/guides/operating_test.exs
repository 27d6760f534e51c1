defmodule LibclusterKubernetes.Guides.OperatingTest do
  # guides/operating.md explains everything that can be said.
  use ExUnit.Case, async: true

  alias LibclusterKubernetes.Test.{Guide, LogTexts}

  @guide "guides/operating.md"

  # Names and keys as documented in LibclusterKubernetes.Telemetry.
  @events %{
    [:libcluster_kubernetes, :list, :stop] => [:duration, :bytes, :pages, :result],
    [:libcluster_kubernetes, :watch, :start] => [:system_time],
    [:libcluster_kubernetes, :watch, :stop] => [:duration, :bytes, :events, :reason],
    [:libcluster_kubernetes, :snapshot] => [:ready, :not_ready, :draining, :dropped, :came, :gone, :resource_version],
    [:libcluster_kubernetes, :error] => [:errors, :kind, :status, :message],
    [:libcluster_kubernetes, :recovery] => [:duration, :errors, :ending]
  }

  for {language, least} <- [elixir: 20, rust: 60] do
    test "every text of the #{language} code has its entry" do
      guide = Guide.read!(@guide) |> words()
      texts = apply(LogTexts, unquote(language), [])
      assert length(texts) >= unquote(least), "the sources are no longer read as they are written"

      missing = for text <- texts, part <- text.parts, not String.contains?(guide, words(part)), do: {text.at, part}
      assert missing == [], "not in #{@guide}:\n" <> Enum.map_join(missing, "\n", fn {at, part} -> "#{at}: #{part}" end)
    end
  end

  test "every error kind has its entry, with cause and cure, and no other has" do
    source = File.read!("native/discovery/src/error.rs")
    kinds = ~r/Self::\w+ => "(\w+)"/ |> Regex.scan(source, capture: :all_but_first) |> List.flatten()
    assert length(kinds) == 12
    # The only one that does not come from there: strategy.ex, after a hot upgrade.
    kinds = ["library" | kinds]

    [_, entries] = Guide.read!(@guide) |> String.split("\n## Error kinds\n")
    [_ | entries] = String.split(entries, "\n### ")

    documented =
      for entry <- entries do
        assert entry =~ "**Cause**"
        assert entry =~ "**Cure**"
        [_, kind] = Regex.run(~r/\A`:(\w+)`\n/, entry)
        kind
      end

    assert Enum.sort(documented) == Enum.sort(kinds)
  end

  test "the table of events has each of them, with what it carries" do
    assert Enum.sort(Map.keys(@events)) == Enum.sort(LibclusterKubernetes.Telemetry.events())
    table = Guide.read!(@guide)

    for {event, keys} <- @events do
      [row] = Regex.run(~r/^\| `#{Regex.escape(inspect(event))}` \|.*$/m, table)
      for key <- keys, do: assert(row =~ "`#{key}`")
    end
  end

  # Without what ends a sentence before a text and begins it, and in one line.
  defp words(text), do: text |> String.replace(~r/\s+/, " ") |> String.replace(~r/\A[^[:alnum:]\[]+|[ (:]+\z/, "")
end
