defmodule LibclusterKubernetes.Bench.Report.Ratios do
  @moduledoc "What the package promises in comparison, each with the demanded and the reached value."

  alias LibclusterKubernetes.Bench.{Figure, Plan}
  alias LibclusterKubernetes.Bench.Report.Unit

  @doc "A line for each promise of which something was measured."
  @spec lines([Figure.t()], Plan.t()) :: [String.t()]
  def lines(figures, plan) do
    for {text, demanded, {ours, _other} = reached} <- promises(figures, plan), ours do
      [String.pad_trailing(verdict(demanded, reached), 7), String.pad_trailing(text, 52)]
      |> Enum.concat(["demanded #{String.pad_trailing(say(demanded), 10)} reached #{say_reached(demanded, reached)}"])
      |> Enum.join(" ")
    end
  end

  defp promises(figures, plan) do
    pods = {:pods, plan.size}
    endpoints = {:endpoints, plan.size}
    all = {:endpoints, plan.topologies * plan.topology_members}
    to_stock = fn measure, at -> {value(figures, measure, at, :ours), value(figures, measure, known(at), :stock)} end

    [
      {"poll, #{plan.size} pods: client CPU", {:ratio, 40}, to_stock.(:poll_client_cpu, pods)},
      {"poll, #{plan.size} pods: server CPU", {:ratio, 2}, to_stock.(:poll_server_cpu, pods)},
      {"poll, #{plan.size} pods: time", {:ratio, 15}, to_stock.(:poll_time, pods)},
      {"poll, #{plan.size} pods: growth of the VM's memory", {:ratio, 10}, to_stock.(:poll_memory, pods)},
      {"poll, #{plan.size} endpoints: time over a bare GET's", {:over, 0.1},
       {value(figures, :poll_time, endpoints, :ours), value(figures, :poll_time, endpoints, :bare)}}
    ] ++
      for source <- [:endpoints, :endpoint_slices],
          {measure, what, ratio} <- [{:poll_client_cpu, "client CPU", 8}, {:poll_server_cpu, "server CPU", 2}] do
        {"poll, #{plan.size} #{source}: #{what}", {:ratio, ratio}, to_stock.(measure, {source, plan.size})}
      end ++
      for source <- [:endpoints, :endpoint_slices, :pods],
          {measure, which} <- [start_first: "first", start_connected: "last"] do
        {"start, #{plan.size} #{source}: #{which} connect", {:ratio, 3}, to_stock.(measure, {source, plan.size})}
      end ++
      [
        {"watch, #{plan.size} pods: reaction more than the write", {:more_us, 2_000},
         {value(figures, :reaction, pods, :ours), value(figures, :reaction, pods, :write)}},
        {"one change among #{Plan.largest(plan)} endpoints", {:at_most_us, 100},
         {value(figures, :change, {:endpoints, Plan.largest(plan)}, :ours), 0}}
      ] ++
      for source <- [:endpoints, :pods], members <- plan.sizes do
        {"watch, #{members} #{source}: reaction", {:ratio, 200}, to_stock.(:reaction, {source, members})}
      end ++
      for source <- [:endpoints, :pods], {measure, what, ratio} <- watched() do
        {"watch, #{plan.size} #{source}: #{what}", {:ratio, ratio}, to_stock.(measure, {source, plan.size})}
      end ++
      [
        {"worst lateness more than with nothing listed", {:more_us, 2_000}, lateness(figures, plan)},
        {"#{plan.topologies} topologies of #{plan.topology_members}: server CPU, idle", {:ratio, 20},
         to_stock.(:many_still_server_cpu, all)},
        {"#{plan.topologies} topologies of #{plan.topology_members}: server CPU, with changes", {:ratio, 20},
         to_stock.(:many_changing_server_cpu, all)}
      ]
  end

  # The stock strategy knows no slices: they are compared with its endpoints.
  defp known({:endpoint_slices, members}), do: {:endpoints, members}
  defp known(at), do: at

  defp watched do
    [
      {:idle_requests, "requests of an idle hour", 30},
      {:idle_bytes, "bytes of an idle hour", 100},
      {:idle_server_cpu, "server CPU of an idle hour", 100}
    ]
  end

  defp lateness(figures, plan) do
    at = {:pods, Plan.largest(plan)}
    {value(figures, :lateness_worst, at, :ours), value(figures, :lateness_worst, at, :nobody)}
  end

  defp value(figures, measure, at, who), do: Figure.find(figures, measure, at, who)

  defp verdict(demanded, {ours, other} = reached) when ours != nil and other != nil do
    if kept?(demanded, reached), do: "PASS", else: "MISSED"
  end

  defp verdict(_demanded, _reached), do: "NONE"

  defp kept?({:ratio, ratio}, {ours, stock}), do: ours * ratio <= stock
  defp kept?({:over, share}, {ours, bare}), do: ours <= bare * (1 + share)
  defp kept?({:more_us, limit}, {ours, other}), do: ours - other <= limit
  defp kept?({:at_most_us, limit}, {ours, _nothing}), do: ours <= limit * 1_000

  defp say({:ratio, ratio}), do: "1/#{ratio}"
  defp say({:over, share}), do: "+#{round(share * 100)} %"
  defp say({:more_us, limit}), do: "+#{Unit.text(limit, :us)}"
  defp say({:at_most_us, limit}), do: Unit.text(limit, :us)

  defp say_reached(_demanded, {ours, other}) when ours == nil or other == nil, do: "– (nothing to compare with)"
  defp say_reached({:ratio, _}, {ours, stock}), do: Unit.ratio(ours, stock)
  defp say_reached({:over, _}, {ours, bare}), do: "#{signed(round((ours / bare - 1) * 100))} %"
  defp say_reached({:more_us, _}, {ours, other}), do: "#{signed(round(ours - other))} µs"
  defp say_reached({:at_most_us, _}, {ours, _nothing}), do: Unit.text(ours, :ns)

  defp signed(value) when value >= 0, do: "+#{value}"
  defp signed(value), do: "#{value}"
end
