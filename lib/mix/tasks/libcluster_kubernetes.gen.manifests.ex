defmodule Mix.Tasks.LibclusterKubernetes.Gen.Manifests do
  @shortdoc "Prints the Kubernetes manifests that the configured topologies need"

  @moduledoc """
  Prints the least that Kubernetes needs for the topologies in `config :libcluster, topologies: ...`:

      mix compile
      mix libcluster_kubernetes.gen.manifests | kubectl apply -f -

  What is not compiled yet is compiled before a task begins, and Mix says so on standard output: hence the first line.

  That is a ServiceAccount, a Role with the verbs that are used, a RoleBinding, a headless Service `NAME-headless` where one
  is needed, and, as a comment, what the pods need: labels, environment, ports and a readiness probe. With `--image` the pods
  come, too, as a whole Deployment or, with `mode: :hostname`, StatefulSet, and a PodDisruptionBudget. Beside each line that
  is a choice a comment says why; these need Kubernetes 1.25 or later, and one line 1.27.

  What the release needs in its own files (`rel/env.sh.eex` where a node's name takes a shell, `rel/vm.args.eex` for a fixed
  port) follows as a comment, and is printed alone with `--release`:

      mix libcluster_kubernetes.gen.manifests --dist-port 4370 --release

  The configuration is read as at start, `config/runtime.exs` included. Where that sets topologies in production only:

      MIX_ENV=prod mix libcluster_kubernetes.gen.manifests

  Topologies with `LibclusterKubernetes.Strategy` count, and so do those with `Cluster.Strategy.Kubernetes`, which has
  the same options.

  ## Options

    * `--topology NAME` - only this topology; may be given more than once
    * `--app NAME` - the name of the objects, by default that of the project, with dashes; in an umbrella's root, which has
      none, the `kubernetes_node_basename`
    * `--namespace NAME` - the namespace of the pods, by default the `kubernetes_namespace` of the topologies, else none
      is written and `kubectl -n` chooses
    * `--image IMAGE` - prints the Deployment or StatefulSet as well
    * `--dist-port PORT` - the fixed distribution port of a release without epmd, which must listen there: `--release`
    * `--cookie-secret NAME` - a Secret whose key `cookie` is the cookie of all nodes
    * `--label KEY=VALUE` - a label of the pods; where `kubernetes_selector` takes several values (`app in (a, b)`), the one
      that these pods have. May be given more than once
    * `--release` - prints what the release needs, and no manifests
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
    cookie_secret: :string,
    label: :keep,
    release: :boolean
  ]

  # 63 is the limit for the name of a Service, NAME-headless, and for the label by which a StatefulSet tells its revisions,
  # NAME-1234567890.
  @longest %{app: 52, namespace: 63}

  @impl Mix.Task
  def run(args) do
    options = parse!(args)
    # What is compiled on the way is nothing for kubectl.
    quietly(fn -> Mix.Task.run("app.config") end)
    topologies = :libcluster |> Application.get_env(:topologies, []) |> chosen!(Keyword.get_values(options, :topology))
    topologies = Enum.map(topologies, fn {name, spec} -> Options.new!(name, Keyword.get(spec, :config, [])) end)
    options = Keyword.put_new_lazy(options, :app, fn -> default_app!(topologies) end)
    text = if options[:release], do: Manifests.release(topologies, options), else: Manifests.yaml(topologies, options)
    IO.write(text)
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

    for key <- [:app, :namespace], name = options[key], not name?(name, @longest[key]) do
      Mix.raise("--#{key} is #{inspect(name)}, but must be #{a_name(@longest[key])}")
    end

    Keyword.put(options, :labels, options |> Keyword.get_values(:label) |> Map.new(&label!/1))
  end

  defp label!(label) do
    name = "[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"

    if label =~ ~r"\A([a-z0-9.-]{1,253}/)?#{name}=(#{name})?\z",
      do: label |> String.split("=", parts: 2) |> List.to_tuple(),
      else: Mix.raise("--label is #{inspect(label)}, but must be KEY=VALUE, as in app=shop")
  end

  # A label of DNS suits every kind of object.
  defp name?(name, longest), do: name =~ ~r/\A[a-z]([-a-z0-9]*[a-z0-9])?\z/ and byte_size(name) <= longest

  defp a_name(longest), do: "at most #{longest} of a-z, 0-9 and -, and begin with a letter"

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

  # Releases, and so nodes, are most often called as the application is.
  defp default_app!([topology | _]) do
    name = Mix.Project.config()[:app] || topology.values.kubernetes_node_basename
    app = if is_atom(name) or is_binary(name), do: name |> to_string() |> String.downcase() |> String.replace("_", "-")

    if app && name?(app, @longest.app) do
      app
    else
      Mix.raise("#{inspect(name)} cannot be the name of the objects: give one by --app, #{a_name(@longest.app)}")
    end
  end

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
