defmodule LibclusterKubernetes do
  @external_resource readme = Path.join(__DIR__, "../README.md")
  @moduledoc readme |> File.read!() |> String.split("<!-- moduledoc -->") |> Enum.at(1, "")
end
