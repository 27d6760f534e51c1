defmodule LibclusterKubernetes.Strategy.SentencesTest do
  use ExUnit.Case, async: true

  alias LibclusterKubernetes.Strategy.Sentences

  test "each has one end" do
    assert Sentences.join("it failed", "Look there") == "it failed. Look there"
    assert Sentences.join("it failed (why)", "Look there") == "it failed (why). Look there"
    for end_of_one <- ~w(. ? ! …), do: assert(Sentences.join("a#{end_of_one}", "B") == "a#{end_of_one} B")
  end
end
