defmodule LibclusterKubernetes.Test.Log do
  @moduledoc "What is logged while other tests run, whose lines `ExUnit.CaptureLog` has, too."

  import ExUnit.CaptureLog

  @doc "What was logged while the function ran, and has this text in it: most often a topology's name, which is the test's own."
  def naming(text, fun) do
    [colors: [enabled: false]]
    |> capture_log(fun)
    |> String.split(~r/^(?=\d\d:\d\d:\d\d\.)/m)
    |> Enum.filter(&(&1 =~ to_string(text)))
    |> Enum.join()
  end
end
