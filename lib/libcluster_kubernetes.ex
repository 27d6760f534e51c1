defmodule LibclusterKubernetes do
  @external_resource readme = Path.join(__DIR__, "../README.md")
  @moduledoc readme |> File.read!() |> String.split("<!-- moduledoc -->") |> Enum.at(1, "")

  alias LibclusterKubernetes.Diagnosis
  alias LibclusterKubernetes.Diagnosis.{Subject, Surroundings}

  @doc """
  Says for every topology of this VM why its nodes do not connect: those that run, and those that are configured with
  `LibclusterKubernetes.Strategy`. See `diagnose/2`.
  """
  @spec diagnose() :: [Diagnosis.t()]
  def diagnose, do: Enum.map(Subject.names(), &diagnose/1)

  @doc """
  Says why the nodes of a topology do not connect.

  It goes the way from this node's name over the service account's files, the API server, the role and what is found there
  to the members, and looks at each step. What it finds is data and a table:

      iex> LibclusterKubernetes.diagnose(:k8s)

      $ bin/my_app rpc "IO.puts(LibclusterKubernetes.diagnose(:k8s))"

  `topology` is the name of one that runs or is in `config :libcluster, topologies: ...`, or in its place
  `config: [...]`, the config of one that does not:

      LibclusterKubernetes.diagnose(config: [kubernetes_node_basename: "my_app", kubernetes_selector: "app=my_app"])

  Options:

  * `:members` (default `10`) - how many members are looked at, those first that are not connected.
  * `:timeout` (default `5_000`) - milliseconds for a step of connecting to a member, which has two; they are looked at 16 at a time.

  It raises nothing on wrong options, which are a check that failed, and blocks its caller: for each step on the way to the
  API at most `kubernetes_request_timeout`, and none is tried after one that failed. The strategy is not disturbed. A member that is
  not connected sees a hidden node `BASENAME-diagnosis@HOST` come and go, or logs that it refused it.
  """
  @spec diagnose(atom() | keyword(), keyword()) :: Diagnosis.t()
  def diagnose(topology, opts \\ [])

  def diagnose(topology, opts) when is_atom(topology) do
    Diagnosis.run(topology, Subject.find(topology), Surroundings.now(), opts)
  end

  def diagnose(config_and_opts, opts) when is_list(config_and_opts) do
    {config, more} = Keyword.pop!(config_and_opts, :config)
    Diagnosis.run(:config, Subject.check(:config, config), Surroundings.now(), Keyword.merge(more, opts))
  end
end
