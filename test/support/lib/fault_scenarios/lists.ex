defmodule LibclusterKubernetes.Test.FaultScenarios.Lists do
  @moduledoc "200, and a list that is not what the API documents, at every level of its shape."

  import LibclusterKubernetes.Test.Answers

  alias LibclusterKubernetes.Test.{Api, JSON}

  @list [modes: [:poll, :relist]]
  @static [struck: {"lists", 1}]

  def scenarios, do: bodies() ++ tops() ++ duplicates() ++ tolerated() ++ shapes()

  # Each is refused as a whole.
  defp bodies do
    for {name, body, kinds} <- [
          {"an empty body", fn _run -> "" end, [:malformed]},
          {"nothing but white space", fn _run -> " \r\n\t " end, [:malformed]},
          {"HTML", fn _run -> "<html>Log in to this network</html>" end, [:malformed]},
          {"null", fn _run -> "null" end, [:malformed]},
          {"a number", fn _run -> "0" end, [:malformed]},
          {"a string", fn _run -> ~s("list") end, [:malformed]},
          {"an empty array", fn _run -> "[]" end, [:malformed]},
          {"an empty object", fn _run -> "{}" end, [:malformed]},
          {"a Status that says Success", fn _run -> JSON.encode(%{status(200) | status: "Success"}) end, [:malformed]},
          {"a Status that says Failure", fn _run -> JSON.encode(status(500)) end, [:malformed]},
          {"a list in an array", &"[#{empty(&1)}]", [:malformed]},
          {"half a list", &binary_part(empty(&1), 0, 60), [:malformed]},
          {"two lists", &(empty(&1) <> empty(&1)), [:malformed]},
          {"noise after the list", &(empty(&1) <> "x"), [:malformed]},
          {"a byte order mark", &("\uFEFF" <> empty(&1)), [:malformed]},
          {"UTF-16", &:unicode.characters_to_binary(empty(&1), :utf8, :utf16), [:malformed]},
          {"invalid UTF-8 in a name", &name(&1, <<255, 254>>), [:malformed]},
          {"half a surrogate in a name", &name(&1, "\\ud800"), [:malformed]},
          {"NUL in a name", &name(&1, <<0>>), [:malformed]},
          {"single quotes", &String.replace(empty(&1), "\"", "'"), [:malformed]},
          {"a comment", &("/* list */" <> empty(&1)), [:malformed]},
          {"NaN for a version", &String.replace(empty(&1), ~r/"[0-9]+"/, "NaN"), [:malformed]},
          {"100,000 brackets", fn _run -> String.duplicate("[", 100_000) end, [:malformed]},
          {"100,000 braces", fn _run -> String.duplicate(~s({"a":), 100_000) end, [:malformed]},
          {"100,000 brackets for the objects", &String.replace(empty(&1), "[]", nested(100_000)), [:malformed]},
          {"the answer to a watch", &frame("ADDED", object(&1.source, "app", ["10.1.0.1"])), [:malformed]},
          {"a list of more names than any cluster has", &crowd/1, [:too_large]},
          {"the token in a name", &name(&1, &1.token), [:malformed]},
          {"the token as the kind", &String.replace(empty(&1), ~r/[A-Za-z]+List/, &1.token), [:malformed]},
          {"half the token as the kind", &String.replace(empty(&1), ~r/[A-Za-z]+List/, String.slice(&1.token, 0, 100)),
           [:malformed]}
        ] do
      {"200, #{name}", {:list, &raw(http(200, body.(&1)))}, [kinds: kinds] ++ @list}
    end
  end

  # An empty list but for this: were it taken, everybody would be disconnected.
  defp tops do
    for {name, change} <- [
          {"without kind", &Map.delete(&1, :kind)},
          {"kind null", &%{&1 | kind: nil}},
          {"kind a number", &%{&1 | kind: 1}},
          {"kind of one object", &%{&1 | kind: String.replace(&1.kind, "List", "")}},
          {"kind of other objects", &%{&1 | kind: "ServiceList"}},
          {"kind in lower case", &%{&1 | kind: String.downcase(&1.kind)}},
          {"without metadata", &Map.delete(&1, :metadata)},
          {"metadata null", &%{&1 | metadata: nil}},
          {"metadata an array", &%{&1 | metadata: ["1"]}},
          {"metadata a string", &%{&1 | metadata: "1"}},
          {"without a version", &%{&1 | metadata: %{}}},
          {"version null", &%{&1 | metadata: %{resourceVersion: nil}}},
          {"version a number", &%{&1 | metadata: %{resourceVersion: 1}}},
          {"continue a number", &%{&1 | metadata: %{resourceVersion: "1", continue: 1}}},
          {"without items", &Map.delete(&1, :items)},
          {"items an object", &%{&1 | items: %{}}},
          {"items a string", &%{&1 | items: "none"}},
          {"items false", &%{&1 | items: false}},
          {"items of null", &%{&1 | items: [nil]}},
          {"items of numbers", &%{&1 | items: [1]}},
          {"items of arrays", &%{&1 | items: [[]]}},
          {"items of empty objects", &%{&1 | items: [%{}]}}
        ] do
      {"list: #{name}", {:list, fn run -> raw(http(200, JSON.encode(change.(top(run))))) end},
       [kinds: [:malformed]] ++ @list}
    end ++
      [
        {"list: pages without end", {:list, fn run -> raw(http(200, JSON.encode(endless(run)))) end},
         [kinds: [:too_large]] ++ @list}
      ]
  end

  # serde takes the first, or the last, or refuses: both readings are here.
  defp duplicates do
    for {name, {one, two}} <- [
          {"kind", {~s("kind":), ~s("kind":"Status","kind":)}},
          {"metadata", {~s("metadata":), ~s("metadata":{"resourceVersion":"9"},"metadata":)}},
          {"items, the first empty", {~s("items":), ~s("items":[],"items":)}},
          {"items, the last empty", {~s("kind":), ~s("items":[],"kind":)}},
          {"the version", {~s("resourceVersion":), ~s("resourceVersion":"9","resourceVersion":)}}
        ] do
      {"list: twice #{name}", {:list, fn run -> raw(http(200, String.replace(body(run), one, two))) end},
       [kinds: [:malformed]] ++ @list}
    end
  end

  # What does not matter may be anything.
  defp tolerated do
    for {name, change} <- [
          {"unknown fields of every kind", &Map.merge(&1, %{a: nil, b: 1.5, c: [%{}], d: "x", e: true})},
          {"apiVersion a number", &%{&1 | apiVersion: 1}},
          {"continue null", &put_in(&1.metadata[:continue], nil)},
          {"continue empty", &put_in(&1.metadata[:continue], "")}
        ] do
      {"list: #{name}", {:list, fn run -> raw(http(200, JSON.encode(change.(list(run))))) end}, @static ++ @list}
    end ++
      for {name, value} <- [
            {"100,000 brackets in an unknown field", nested(100_000)},
            {"a number of 10,000 digits in an unknown field", String.duplicate("9", 10_000)},
            {"1e99999 in an unknown field", "1e99999"},
            {"1 MB of text in an unknown field", ~s("#{String.duplicate("x", 1_000_000)}")}
          ] do
        body = fn run ->
          String.replace(body(run), ~s({"apiVersion"), ~s({"unknown":#{value},"apiVersion"), global: false)
        end

        {"list: #{name}", {:list, &raw(http(200, body.(&1)))}, @static ++ [kinds: [nil, :malformed]] ++ @list}
      end
  end

  # Every part of an object in every wrong form, one list after the other, each followed by a right one.
  defp shapes do
    for source <- [:endpoints, :endpoint_slices, :pods] do
      wrong =
        for path <- paths(source), value <- [:missing, nil, true, -1, "text", [], %{}, [nil], [[]]], do: {path, value}

      answers = fn run ->
        lists = Enum.flat_map(wrong, fn {path, value} -> [list(run, [wrong(source, path, value)]), list(run)] end)
        for list <- lists, do: raw(http(200, JSON.encode(list)))
      end

      {"#{length(wrong)} wrong shapes of #{Api.resource(source)}", {:list, answers},
       sources: [source],
       modes: [:poll],
       kinds: [nil, :malformed],
       incidents: :many,
       notices: 99,
       change: :after,
       struck: {"lists", 2 * length(wrong)},
       again?: false,
       second?: false,
       config: [polling_interval: 40]}
    end
  end

  defp wrong(source, path, value) do
    object = object(source, "strange", ["10.1.0.4"])
    access = Enum.map(path, fn key -> if is_integer(key), do: Access.at(key), else: key end)
    if value == :missing, do: object |> pop_in(access) |> elem(1), else: put_in(object, access, value)
  end

  defp paths(:endpoints) do
    [
      [:subsets],
      [:subsets, 0],
      [:subsets, 0, :addresses],
      [:subsets, 0, :addresses, 0],
      [:subsets, 0, :notReadyAddresses]
    ] ++
      for(key <- [:ip, :hostname, :targetRef], do: [:subsets, 0, :addresses, 0, key]) ++
      [[:subsets, 0, :addresses, 0, :targetRef, :namespace]] ++ metadata()
  end

  defp paths(:endpoint_slices) do
    [[:addressType], [:endpoints], [:endpoints, 0], [:endpoints, 0, :addresses, 0]] ++
      for(key <- [:addresses, :hostname, :conditions], do: [:endpoints, 0, key]) ++
      for(key <- [:ready, :serving, :terminating], do: [:endpoints, 0, :conditions, key]) ++ metadata()
  end

  defp paths(:pods) do
    [
      [:spec],
      [:spec, :hostname],
      [:status],
      [:status, :podIPs, 0],
      [:status, :podIPs, 0, :ip],
      [:status, :conditions, 0]
    ] ++
      for(key <- [:phase, :podIP, :podIPs, :conditions], do: [:status, key]) ++
      for(key <- [:type, :status], do: [:status, :conditions, 0, key]) ++ metadata()
  end

  defp metadata, do: [[:metadata]] ++ for(key <- [:name, :namespace, :resourceVersion, :labels], do: [:metadata, key])

  defp top(run), do: %{list(run) | items: []}
  defp empty(run), do: JSON.encode(top(run))
  defp body(run), do: JSON.encode(list(run))
  defp nested(depth), do: String.duplicate("[", depth) <> String.duplicate("]", depth)
  defp endless(run), do: put_in(list(run).metadata[:continue], "more")

  # In place of the name of an object, as bytes that may be no JSON.
  defp name(run, bytes) do
    list = list(run, [object(run.source, "placeholder", ["10.1.0.4"])])
    String.replace(JSON.encode(list), "placeholder", bytes)
  end

  defp crowd(run) do
    ips = for number <- 0..20_100, do: "10.2.#{div(number, 250)}.#{rem(number, 250)}"

    objects =
      if run.source == :pods, do: Enum.map(ips, &object(:pods, &1, [&1])), else: [object(run.source, "crowd", ips)]

    JSON.encode(list(run, objects))
  end
end
