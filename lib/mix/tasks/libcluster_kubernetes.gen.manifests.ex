defmodule Mix.Tasks.LibclusterKubernetes.Gen.Manifests do
  @shortdoc "Prints the Kubernetes manifests that the configured topologies need"

  @moduledoc """
  Prints the least that Kubernetes needs for the topologies in `config :libcluster, topologies: ...`:

      mix compile
      mix libcluster_kubernetes.gen.manifests | kubectl apply -f -

  What is not compiled yet is compiled before a task begins, and Mix says so on standard output: hence the first line.

  That is a ServiceAccount, a Role with the verbs that are used, a RoleBinding, a headless Service where one is needed,
  and, as a comment, what the pods need: labels, environment and ports. With `--image` the pods come, too, as a whole
  Deployment or, with `mode: :hostname`, StatefulSet.

  The configuration is read as at start, `config/runtime.exs` included. Where that sets topologies in production only:

      MIX_ENV=prod mix libcluster_kubernetes.gen.manifests

  Topologies with `LibclusterKubernetes.Strategy` count, and so do those with `Cluster.Strategy.Kubernetes`, which has
  the same options.

  ## Options

    * `--topology NAME` - only this topology; may be given more than once
    * `--app NAME` - the name of the objects, by default that of the project, with dashes
    * `--namespace NAME` - the namespace of the pods, by default the `kubernetes_namespace` of the topologies, else none
      is written and `kubectl -n` chooses
    * `--image IMAGE` - prints the Deployment or StatefulSet as well
    * `--dist-port PORT` - the fixed distribution port of a release without epmd
    * `--cookie-secret NAME` - a Secret whose key `cookie` is the cookie of all nodes
  """

  use Mix.Task

  alias LibclusterKubernetes.{Manifests, Options}

  @strategies [LibclusterKubernetes.Strategy, Cluster.Strategy.Kubernetes]

  @switches [
    topology: :keep,
    app: :string,
    namespace: :string,
    image: :string,
    dist_port: :integer,
    cookie_secret: :string
  ]

  @impl Mix.Task
  def run(args) do
    options = parse!(args)
    # What is compiled on the way is nothing for kubectl.
    quietly(fn -> Mix.Task.run("app.config") end)
    topologies = :libcluster |> Application.get_env(:topologies, []) |> chosen!(Keyword.get_values(options, :topology))

    topologies
    |> Enum.map(fn {name, spec} -> Options.new!(name, Keyword.get(spec, :config, [])) end)
    |> Manifests.yaml(Keyword.put_new(options, :app, default_app()))
    |> IO.write()
  rescue
    error in ArgumentError -> Mix.raise(Exception.message(error))
  end

  defp parse!(args) do
    case OptionParser.parse(args, strict: @switches) do
      {options, [], []} ->
        check!(options)

      {_, arguments, invalid} ->
        wrong = Enum.map(invalid, &elem(&1, 0)) ++ arguments

        Mix.raise(
          "#{Enum.join(wrong, ", ")}: unknown, or without a valid value. See mix help libcluster_kubernetes.gen.manifests"
        )
    end
  end

  defp check!(options) do
    port = options[:dist_port]
    unless port in [nil | Enum.to_list(1..65_535)], do: Mix.raise("--dist-port is #{port}, but must be a port number")

    # A label of DNS suits every kind of object.
    for key <- [:app, :namespace], name = options[key], not (name =~ ~r/\A[a-z]([-a-z0-9]{0,61}[a-z0-9])?\z/) do
      Mix.raise("--#{key} is #{inspect(name)}, but must be at most 63 of a-z, 0-9 and -, and begin with a letter")
    end

    options
  end

  defp chosen!(topologies, names) do
    ours = for {name, spec} <- topologies, spec[:strategy] in @strategies, do: {name, spec}
    known = Enum.map(ours, fn {name, _} -> to_string(name) end)

    case {ours, names -- known} do
      {[], _} ->
        Mix.raise(
          "config :libcluster has no topology with #{inspect(hd(@strategies))} in MIX_ENV=#{Mix.env()}. " <>
            "If there is one in production only, set MIX_ENV=prod"
        )

      {_, []} ->
        for {name, spec} <- ours, names == [] or to_string(name) in names, do: {name, spec}

      {_, unknown} ->
        Mix.raise("no topology is called #{Enum.join(unknown, ", ")}: there is #{Enum.join(known, ", ")}")
    end
  end

  defp default_app, do: Mix.Project.config()[:app] |> to_string() |> String.replace("_", "-")

  defp quietly(fun) do
    shell = Mix.shell()
    Mix.shell(Mix.Shell.Quiet)

    try do
      fun.()
    after
      Mix.shell(shell)
    end
  end
end
