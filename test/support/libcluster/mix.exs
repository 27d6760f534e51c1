defmodule Cluster.StandIn.MixProject do
  use Mix.Project

  def project do
    [
      app: :libcluster,
      version: "3.5.0-standin",
      elixir: "~> 1.13",
      elixirc_options: [warnings_as_errors: true],
      start_permanent: false,
      # Not "*_test.exs": `mix test` in the package walks all of test/ and must not pick these up.
      test_pattern: "*_contract.exs",
      test_load_filters: [&String.ends_with?(&1, "_contract.exs")],
      deps: []
    ]
  end

  def application do
    [mod: {Cluster.StandIn, []}, extra_applications: [:logger]]
  end
end
