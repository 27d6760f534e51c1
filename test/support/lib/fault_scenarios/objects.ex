defmodule LibclusterKubernetes.Test.FaultScenarios.Objects do
  @moduledoc """
  Objects on the server, in lists and in streams, that lack a part or name members as none is called: they must cost
  themselves alone, and nobody else.
  """

  import LibclusterKubernetes.Test.Answers

  @seen [modes: [:poll, :watch], truth: :visible, struck: :none, notices: 1]

  @addresses [
    "",
    " ",
    "10.1.0.256",
    "10.1.0",
    "10.1.0.4 ",
    " 10.1.0.4",
    "10.1.0.4\n",
    "10.1.0.4\0",
    "10.1.0.4/32",
    "10.1.0.4:4369",
    "010.001.000.004",
    "0x0a.1.0.4",
    "167837700",
    "１０.1.0.4",
    "10.1.0.4@elsewhere",
    "elsewhere",
    "localhost",
    "true",
    "undefined",
    "nonode@nohost",
    "fe80::1%eth0",
    "[::1]",
    ":::",
    "'\"; init:stop(). %",
    "#{String.duplicate("1", 10_000)}",
    "#{String.duplicate("10.1.0.4.", 1_000)}",
    "é\u0301🦀\u202E",
    "\u0001\u001b[2J\u007f"
  ]

  @labels [
    "",
    ".",
    "-a",
    "a-",
    "A",
    "a.b",
    "a b",
    "a_b",
    "a@b",
    "a\n",
    "a\0b",
    "é",
    "🦀",
    "\u202Ea",
    "'a'",
    "\"a\"",
    "../a",
    String.duplicate("a", 64),
    String.duplicate("a", 10_000),
    "\u0001\u001b[2J"
  ]

  def scenarios, do: partial() ++ hostile() ++ wrong()

  defp partial do
    for {name, without} <- [
          {"no address", &no_address/1},
          {"address null", &null_address/1},
          {"no parts but a name", &Map.take(object(&1, "strange", ["10.1.0.4"]), [:metadata])},
          {"empty parts", &empty/1},
          {"parts null", &null/1}
        ] do
      {"an object with #{name}", {:objects, fn run -> [without.(run.source)] end}, @seen ++ [sources: :all]}
    end ++
      [
        {"objects without a name", {:list, fn run -> raw(http(200, nameless(run))) end},
         modes: [:poll, :relist], struck: {"lists", 1}}
      ]
  end

  defp hostile do
    [
      {"#{length(@addresses)} hostile addresses", {:objects, fn run -> objects(run.source, @addresses, &address/2) end},
       @seen ++ [sources: :all]},
      {"#{length(@labels)} hostile hostnames", {:objects, fn run -> objects(run.source, @labels, &hostname/2) end},
       @seen ++ [sources: :all, config: [mode: :hostname, kubernetes_service_name: "headless"]]},
      {"#{length(@labels)} hostile namespaces", {:objects, fn run -> objects(run.source, @labels, &namespace/2) end},
       @seen ++ [sources: [:endpoints], config: [mode: :dns]]}
    ]
  end

  # Of a type that no API server writes: nothing of it is believed. A stream is left for a list, which says the same.
  defp wrong do
    for {name, change} <- [
          {"an address that is a number", &address(&1, 167_837_700)},
          {"an address that is an object", &address(&1, %{})},
          {"a hostname that is a number", &hostname(&1, 7)}
        ] do
      {name, {:objects, fn run -> [change.(run.source)] end}, modes: [:poll, :watch], kinds: [:malformed], changes: 1}
    end
  end

  defp objects(source, values, change), do: Enum.map(values, &change.(source, &1))

  defp address(:endpoints, ip), do: put(:endpoints, [:subsets, 0, :addresses, 0, :ip], ip)
  defp address(:endpoint_slices, ip), do: put(:endpoint_slices, [:endpoints, 0, :addresses, 0], ip)
  defp address(:pods, ip), do: put(:pods, [:status, :podIP], ip)

  defp hostname(:endpoints, name), do: put(:endpoints, [:subsets, 0, :addresses, 0, :hostname], name)
  defp hostname(:endpoint_slices, name), do: put(:endpoint_slices, [:endpoints, 0, :hostname], name)
  defp hostname(:pods, name), do: put(:pods, [:spec, :hostname], name)

  defp namespace(:endpoints, name), do: put(:endpoints, [:subsets, 0, :addresses, 0, :targetRef, :namespace], name)

  defp no_address(:endpoints), do: put(:endpoints, [:subsets, 0, :addresses, 0], %{hostname: "host"})
  defp no_address(:endpoint_slices), do: put(:endpoint_slices, [:endpoints, 0], %{conditions: %{ready: true}})
  defp no_address(:pods), do: put(:pods, [:status], %{phase: "Running", podIPs: [%{ip: "10.1.0.4"}]})

  defp null_address(:endpoint_slices), do: put(:endpoint_slices, [:endpoints, 0, :addresses], nil)
  defp null_address(source), do: address(source, nil)

  defp empty(:endpoints), do: put(:endpoints, [:subsets], [%{}, %{addresses: []}, %{addresses: [%{}]}])
  defp empty(:endpoint_slices), do: put(:endpoint_slices, [:endpoints], [%{}, %{addresses: []}])
  defp empty(:pods), do: Map.merge(put(:pods, [:status], %{}), %{spec: %{}})

  defp null(:endpoints), do: put(:endpoints, [:subsets], [%{addresses: nil, notReadyAddresses: nil}])

  defp null(:endpoint_slices),
    do: put(:endpoint_slices, [:endpoints], [%{addresses: nil, conditions: nil, hostname: nil}])

  defp null(:pods), do: Map.merge(put(:pods, [:status], nil), %{spec: nil})

  defp nameless(run) do
    list = list(run)
    nameless = Enum.map(list.items, &update_in(&1["metadata"], fn metadata -> Map.delete(metadata, "name") end))
    LibclusterKubernetes.Test.JSON.encode(%{list | items: nameless})
  end

  defp put(source, path, value) do
    access = Enum.map(path, fn key -> if is_integer(key), do: Access.at(key), else: key end)
    put_in(object(source, "strange", ["10.1.0.4"]), access, value)
  end
end
