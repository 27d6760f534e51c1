defmodule LibclusterKubernetes.MonitoringTest do
  # priv/monitoring asks for metrics that there are, by labels that they have.
  use ExUnit.Case, async: true

  alias LibclusterKubernetes.Telemetry.Metrics
  alias LibclusterKubernetes.Test.{Guide, JSON, YAML}

  @root Path.expand("../..", __DIR__)
  @dashboard Path.join(@root, "priv/monitoring/grafana.json")
  @alerts Path.join(@root, "priv/monitoring/alerts.yaml")

  # Of Prometheus itself and of its discovery in Kubernetes, and a histogram's.
  @labels ~w(job instance namespace le)

  defp metrics do
    for {type, name, options} <- Metrics.definitions(), into: %{} do
      {String.replace(name, ".", "_"), {type, Enum.map(options[:tags], &to_string/1)}}
    end
  end

  # The series of a metric: a histogram has three.
  defp series do
    for {name, {type, labels}} <- metrics(),
        series <- if(type == :distribution, do: ~w(_bucket _sum _count), else: [""]),
        into: %{},
        do: {name <> series, {name, labels}}
  end

  defp dashboard, do: @dashboard |> File.read!() |> JSON.decode!()

  defp panels, do: for(%{"targets" => [_ | _]} = panel <- dashboard()["panels"], do: panel)

  defp queries do
    panels = for panel <- panels(), %{"expr" => expr} <- panel["targets"], do: {panel["title"], expr}
    variables = for %{"query" => %{"query" => query}} = variable <- dashboard()["templating"]["list"], do: {variable["name"], query}
    [{%{"groups" => groups}, _}] = @alerts |> File.read!() |> YAML.documents!()
    alerts = for group <- groups, rule <- group["rules"], do: {rule["alert"], rule["expr"]}
    %{dashboard: panels, variables: variables, alerts: alerts}
  end

  defp used(expr), do: ~r/\blibcluster[a-z_]*/ |> Regex.scan(expr) |> List.flatten()

  test "every query is of metrics that there are" do
    for {_, queries} <- queries(), {where, expr} <- queries do
      assert [_ | _] = used(expr), where
      for name <- used(expr), do: assert(is_map_key(series(), name), "#{where}: #{name}")
    end
  end

  test "every query filters and groups by labels that its metrics have" do
    for {_, queries} <- queries(), {where, expr} <- queries do
      [labels | more] = for name <- used(expr), {_, labels} = series()[name], do: labels
      common = Enum.reduce(more, labels, fn labels, common -> Enum.filter(common, &(&1 in labels)) end)

      filters = Regex.scan(~r/(\w+) ?(?:=|!=|=~|!~) ?"/, expr, capture: :all_but_first)
      groups = for [keys] <- Regex.scan(~r/\b(?:by|without) \(([^)]*)\)/, expr, capture: :all_but_first), do: String.split(keys, ", ")
      for label <- List.flatten([filters, groups]), do: assert(label in (common ++ @labels), "#{where}: #{label}")
    end
  end

  test "the dashboard shows every metric" do
    shown = for {_, expr} <- queries().dashboard, name <- used(expr), {metric, _} = series()[name], uniq: true, do: metric
    assert Map.keys(metrics()) -- shown == []
  end

  test "an alert names its node or topology, by labels that its expression leaves, and what to do" do
    [{%{"groups" => groups}, _}] = @alerts |> File.read!() |> YAML.documents!()
    labels = metrics() |> Map.values() |> Enum.flat_map(&elem(&1, 1))

    for group <- groups, rule <- group["rules"] do
      %{"summary" => summary, "description" => description, "runbook_url" => url} = rule["annotations"]
      assert url =~ "/monitoring.html#alerts"
      named = Regex.scan(~r/\$labels\.(\w+)/, summary <> description, capture: :all_but_first) |> List.flatten()
      assert "topology" in named
      for label <- named, do: assert(label in (labels ++ @labels), rule["alert"])

      for [kept] <- Regex.scan(~r/\bby \(([^)]*)\)/, rule["expr"], capture: :all_but_first) do
        assert named -- String.split(kept, ", ") == [], rule["alert"]
      end
    end
  end

  test "the guide explains every alert, and no other" do
    guide = File.read!(Path.join(@root, "guides/monitoring.md"))
    explained = ~r/^\| `(Libcluster\w+)` \|/m |> Regex.scan(guide, capture: :all_but_first) |> List.flatten()
    assert explained == for({alert, _} <- queries().alerts, do: alert)
  end

  test "the panels lie beside and below each other, and have ids of their own" do
    panels = dashboard()["panels"]
    ids = Enum.map(panels, & &1["id"])
    assert ids == Enum.uniq(ids)

    for one <- panels, other <- panels, one["id"] < other["id"] do
      assert apart?(one["gridPos"], other["gridPos"]), "#{one["title"]} and #{other["title"]}"
    end

    for %{"gridPos" => %{"x" => x, "w" => w}} = panel <- panels, do: assert(x + w <= 24, panel["title"])
  end

  test "what the guide makes for the operator of Prometheus has the alerts" do
    [block] = for block <- Guide.blocks("guides/monitoring.md", "sh"), block.text =~ "PrometheusRule", do: block
    [made, _] = String.split(block.text, " | kubectl apply")
    {yaml, 0} = System.cmd("sh", ["-euc", String.replace(made, "deps/libcluster_kubernetes", @root)])
    [{object, _}] = YAML.documents!(yaml)
    assert %{"kind" => "PrometheusRule", "metadata" => %{"name" => _}} = object
    [{alerts, _}] = @alerts |> File.read!() |> YAML.documents!()
    assert object["spec"] == alerts
  end

  @tag :promtool
  test "the alerts say what they should, and nothing else" do
    assert {said, 0} = promtool(["test", "rules", Path.join(@root, "test/monitoring/alerts_test.yaml")])
    assert said =~ "SUCCESS"
    tested = File.read!(Path.join(@root, "test/monitoring/alerts_test.yaml"))
    for {alert, _} <- queries().alerts, do: assert(length(String.split(tested, "alertname: #{alert}\n")) >= 3, alert)
  end

  @tag :promtool
  @tag :tmp_dir
  test "every query of the dashboard is PromQL", %{tmp_dir: folder} do
    rules =
      for {{_, expr}, number} <- Enum.with_index(queries().dashboard) do
        expr = expr |> String.replace("$__rate_interval", "5m") |> String.replace(~r/\$(job|topology)/, "x")
        "      - record: query:number#{number}\n        expr: #{JSON.encode(expr)}\n"
      end

    file = Path.join(folder, "queries.yaml")
    File.write!(file, "groups:\n  - name: dashboard\n    rules:\n#{rules}")
    assert {said, 0} = promtool(["check", "rules", file])
    assert said =~ "#{length(rules)} rules found"
    File.write!(file, "groups:\n  - name: dashboard\n    rules:\n      - record: a:b\n        expr: \"sum(\"\n")
    assert {_, 1} = promtool(["check", "rules", file])
  end

  defp promtool(args), do: System.cmd("promtool", args, stderr_to_stdout: true)

  defp apart?(one, other) do
    one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"] or
      one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
  end
end
