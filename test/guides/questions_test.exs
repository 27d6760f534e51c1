defmodule LibclusterKubernetes.Guides.QuestionsTest do
  # Each answer of guides/questions.md is shown by a test, which it names.
  use ExUnit.Case, async: true

  alias LibclusterKubernetes.Test.Guide

  test "every answer names a test that is there" do
    [_, questions] = Guide.read!("guides/questions.md") |> String.split(~r/^(?=## )/m, parts: 2)
    questions = String.split(questions, ~r/^## /m, trim: true)
    assert length(questions) >= 10

    for text <- questions do
      [question | _] = String.split(text, "\n")
      tests = Regex.scan(~r/^\* `([^`]+\.(?:exs|rs))`: "([^"]+)"$/m, text, capture: :all_but_first)
      assert tests != [], question

      for [file, name] <- tests do
        # Names of tests that are made for several things have parts that differ.
        assert File.read!(file) =~ ~r/^ *(test "|fn ).*#{Regex.escape(name)}/m,
               "#{question} #{file} has no such test: #{name}"
      end
    end
  end
end
