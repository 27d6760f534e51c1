defmodule LibclusterKubernetes.Diagnosis.OwnName do
  @moduledoc false
  # Whether this node is distributed under a name that the options would build for its pod, and where the two differ.
  #
  # Others build this node's name from the API's answer. If it runs under another, they try to connect to a node that does
  # not exist, and nothing else tells why.

  alias LibclusterKubernetes.Diagnosis.{Check, Distribution, Expected, Surroundings}
  alias LibclusterKubernetes.Options

  @label "[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
  @dns ~r/\A[0-9a-f]+(?:-[0-9a-f]*)+\.(?<namespace>#{@label})\.pod\.(?<domain>.+)\z/
  @hostname ~r/\A#{@label}\.(?<service>#{@label})\.(?<namespace>#{@label})\.svc\.(?<domain>.+)\z/

  @spec checks(Options.t(), Surroundings.t(), LibclusterKubernetes.Native.facts()) :: [Check.t()]
  def checks(options, surroundings, facts) do
    name =
      if Surroundings.named?(surroundings),
        do: name(options, surroundings, facts),
        else: Check.skipped(:node_name, "this node has no long name to compare")

    [Distribution.check(options, surroundings, facts), name]
  end

  defp name(options, surroundings, facts) do
    case differences(options, surroundings.node, facts) do
      [] ->
        Check.ok(:node_name, "#{surroundings.node} is a name that the options build")

      differences ->
        found = "#{surroundings.node} is not a name that the options build: #{Enum.map_join(differences, "; ", &say/1)}"

        sides = for difference <- differences, do: side(difference, options, surroundings, facts)

        Check.failed(:node_name, found, Enum.join(sides ++ [expected(options, facts)], "\n"), %{
          differences: Enum.map(differences, &elem(&1, 0)),
          expected: Expected.name(options, facts)
        })
    end
  end

  defp expected(options, facts) do
    "The options build #{Expected.name(options, facts)}: this node's name, in a release RELEASE_NODE (rel/env.sh.eex, or the " <>
      "container's env:), must be so."
  end

  @doc """
  Where a node's name differs from what the options build: what, the option's value and the name's. Where the whole form
  differs, its parts are not compared.
  """
  @spec differences(Options.t(), String.t(), LibclusterKubernetes.Native.facts()) ::
          [{:basename | :mode | :service | :namespace | :domain, term(), term()}]
  def differences(options, name, facts) do
    [basename, host] = String.split(name, "@", parts: 2)
    values = options.values
    {mode, parts} = parts(host)

    compared =
      if mode == values.mode do
        [
          {:service, values.kubernetes_service_name, parts["service"]},
          {:namespace, Expected.namespace(facts), parts["namespace"]},
          {:domain, options.domain, parts["domain"]}
        ]
        |> Enum.reject(fn {_what, option, part} -> option == nil or part == nil end)
      else
        [{:mode, values.mode, mode}]
      end

    Enum.filter(basename(values.kubernetes_node_basename, basename) ++ compared, fn {_, a, b} -> a != b end)
  end

  # That of a label is the pod's own, which the answer shows.
  defp basename({:label, _key}, _basename), do: []
  defp basename(option, basename), do: [{:basename, option, basename}]

  # Which mode builds such a host, and from what.
  defp parts(host) do
    cond do
      match?({:ok, _}, :inet.parse_strict_address(String.to_charlist(host))) -> {:ip, %{}}
      parts = Regex.named_captures(@dns, host) -> {:dns, parts}
      parts = Regex.named_captures(@hostname, host) -> {:hostname, parts}
      true -> {nil, %{}}
    end
  end

  defp say({:basename, option, part}),
    do: "kubernetes_node_basename is #{inspect(option)}, but its basename is #{inspect(part)}"

  defp say({:mode, option, nil}),
    do: "its host part is not of the form that mode #{inspect(option)} builds, nor of any other"

  defp say({:mode, option, part}), do: "mode is #{inspect(option)}, but its host part is of mode #{inspect(part)}"

  defp say({:service, option, part}),
    do: "kubernetes_service_name is #{inspect(option)}, but its Service is #{inspect(part)}"

  defp say({:namespace, option, part}), do: "the namespace is #{inspect(option)}, but its namespace is #{inspect(part)}"
  defp say({:domain, option, part}), do: "the domain is #{inspect(option)}, but its domain is #{inspect(part)}"

  # Where it can be known which of the two is right, it says so.
  defp side({:basename, _option, part}, _options, _surroundings, _facts) do
    "Set kubernetes_node_basename: #{inspect(part)}, or name the node otherwise."
  end

  defp side({:mode, _option, nil}, _options, _surroundings, _facts), do: "Name the node as the mode needs it."

  defp side({:mode, _option, part}, _options, _surroundings, _facts),
    do: "Set mode: #{inspect(part)}, or name the node otherwise."

  defp side({:service, option, part}, _options, _surroundings, facts) do
    case services(facts) do
      [] -> "Set kubernetes_service_name: #{inspect(part)}, or name the node otherwise."
      services -> "The API knows #{Enum.map_join(services, ", ", &inspect/1)}: " <> known(option, part, services)
    end
  end

  # The service account is of the pod's own namespace; and a pod that is in the answer is where that was asked for.
  defp side({:namespace, option, part}, options, surroundings, facts) do
    own = namesake(surroundings.node, facts)

    cond do
      options.values.kubernetes_namespace == nil ->
        "#{inspect(option)} is the namespace of this pod's service account: the options are right, the node's name is wrong."

      own != nil ->
        "The API has this pod in #{inspect(option)}, as #{own}: the options are right, the node's name is wrong."

      true ->
        "Set kubernetes_namespace: #{inspect(part)}, or name the node otherwise."
    end
  end

  defp side({:domain, _option, part}, _options, %{domain: nil}, _facts) do
    "Set kubernetes_cluster_name or the environment variable CLUSTER_DOMAIN so that the domain is #{inspect(part)}, or " <>
      "name the node otherwise."
  end

  defp side({:domain, option, part}, _options, %{domain: domain}, _facts) do
    "/etc/resolv.conf of this pod says that the domain is #{inspect(domain)}: " <>
      cond do
        domain == part -> "set the environment variable CLUSTER_DOMAIN=#{domain}."
        domain == option -> "the options are right, the node's name is wrong."
        true -> "set the environment variable CLUSTER_DOMAIN=#{domain}, and name the node so."
      end
  end

  defp known(option, part, services) do
    cond do
      option in services -> "the options are right, the node's name is wrong."
      part in services -> "set kubernetes_service_name: #{inspect(part)}."
      true -> "neither is one of them."
    end
  end

  defp services(%{matching: {:ok, [_ | _] = objects}}), do: services_of(objects)
  defp services(%{others: {:ok, objects}}), do: services_of(objects)
  defp services(_facts), do: []

  defp services_of(objects), do: for(%{service: service} when service != nil <- objects, uniq: true, do: service)

  # The same pod under another name, by the part of it that no other pod has: `app@10-1-0-7`, of mode :dns. (Host names of
  # StatefulSets are the same in each namespace.)
  defp namesake(node, %{snapshot: {:ok, snapshot}}) do
    Enum.find(
      snapshot.ready ++ snapshot.not_ready ++ snapshot.draining,
      &(address(&1) != nil and address(&1) == address(node))
    )
  end

  defp namesake(_node, _facts), do: nil

  defp address(name) do
    [basename, host] = String.split(name, "@", parts: 2)
    if Regex.match?(@dns, host), do: {basename, host |> String.split(".") |> hd()}
  end
end
