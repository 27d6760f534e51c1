defmodule HelloCluster.MixProject do
  use Mix.Project

  def project do
    [
      app: :hello_cluster,
      version: "0.1.0",
      elixir: "~> 1.13",
      elixirc_options: [warnings_as_errors: true],
      start_permanent: Mix.env() == :prod,
      releases: [
        hello_cluster: [
          include_executables_for: [:unix],
          applications: [hello_cluster: :permanent]
        ]
      ],
      deps: deps()
    ]
  end

  def application do
    [mod: {HelloCluster.Application, []}, extra_applications: [:logger]]
  end

  # Your own project: {:libcluster_kubernetes, "~> 0.1"}. libcluster comes with it.
  defp deps do
    [{:libcluster_kubernetes, path: "../.."}]
  end
end
