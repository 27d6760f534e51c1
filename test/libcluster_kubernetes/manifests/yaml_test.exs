defmodule LibclusterKubernetes.Manifests.YamlTest do
  use ExUnit.Case, async: true

  alias LibclusterKubernetes.Manifests.Yaml
  alias LibclusterKubernetes.Test.YAML

  test "writes what it was given" do
    value = [
      {"a", 1},
      {"list", ["x", true, -3]},
      {"map", [{"b", "c"}, {"d", [{"e", "f"}]}]},
      {"maps", [[{"g", "h"}, {"i", [[{"j", "k"}]]}], [{"l", ["m"]}]]}
    ]

    assert Yaml.document(value) == """
           a: 1
           list: [x, true, -3]
           map:
             b: c
             d:
               e: f
           maps:
             - g: h
               i:
                 - j: k
             - l: [m]
           """
  end

  test "writes a comment on the line of its key" do
    value = [
      {"a", 1, "one"},
      {"map", [{"b", "c", "see # d"}], "of one"},
      {"maps", [[{"e", "f", "first"}, {"g", ["h"], "a list"}]], "a few"}
    ]

    written = Yaml.document(value)

    assert written == """
           a: 1 # one
           map: # of one
             b: c # see # d
           maps: # a few
             - e: f # first
               g: [h] # a list
           """

    without = [{"a", 1}, {"map", [{"b", "c"}]}, {"maps", [[{"e", "f"}, {"g", ["h"]}]]}]
    [{read, _}] = YAML.documents!(written)
    assert [{^read, _}] = YAML.documents!(Yaml.document(without))
  end

  @texts ["", " a", "a ", "a b", "true", "No", "y", "null", "~", "1", "-1", "1.5", "1e3", "0x1f", "012", "12:30", "1_0"] ++
           [
             "a: b",
             "a #b",
             "#a",
             "- a",
             "a,b",
             "[a]",
             "{a}",
             "&a",
             "*a",
             "!a",
             "|",
             ">",
             "%a",
             "@a",
             "`a`",
             "'a'",
             ".5"
           ] ++
           [
             "\"",
             "\\",
             "a\nb",
             "a\tb",
             "\0",
             "\u0085",
             "\u2028",
             "\uFEFF",
             "é",
             "app.kubernetes.io/name",
             "$(POD_IP)",
             "="
           ]

  test "a text stays that text, whatever it looks like" do
    for text <- @texts do
      written = Yaml.document([{"key", text}, {"list", [text, text]}, {"deep", [[{"key", text}]]}])
      assert [{read, _}] = YAML.documents!(written)
      assert read == %{"key" => text, "list" => [text, text], "deep" => [%{"key" => text}]}, written
    end
  end

  test "only words that nobody takes for something else are without quotes" do
    plain = for text <- @texts, Yaml.document([{"key", text}]) == "key: #{text}\n", do: text
    assert plain == ["app.kubernetes.io/name"]
  end

  test "keys are written like other texts" do
    assert Yaml.document([{"on", "x"}, {"app.kubernetes.io/name", "y"}, {"a b", "z"}]) ==
             "\"on\": x\napp.kubernetes.io/name: \"y\"\n\"a b\": z\n"
  end
end
