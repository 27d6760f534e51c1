defmodule LibclusterKubernetes.Bench.Pictures do
  @moduledoc "The pictures of the README. Without an opponent, or of parts of a run, there are none."

  alias LibclusterKubernetes.Bench.{Figure, Plan}
  alias LibclusterKubernetes.Bench.Svg.{Lines, Pairs}

  @doc "File names with their SVG."
  @spec all([Figure.t()], Plan.t()) :: [{String.t(), String.t()}]
  def all(figures, plan) do
    if Enum.sort(plan.parts) == Enum.sort(Plan.parts()) and Enum.any?(figures, &(&1.who == :stock)),
      do: [{"poll.svg", poll(figures, plan)}, {"watch.svg", watch(figures, plan)}, {"members.svg", members(figures)}],
      else: []
  end

  defp poll(figures, plan) do
    at = {:pods, plan.size}

    Pairs.svg(
      "One poll of #{plan.size} pods",
      pairs(figures, [
        {"client CPU", :poll_client_cpu, at},
        {"server CPU", :poll_server_cpu, at},
        {"time", :poll_time, at},
        {"bytes on the wire", :poll_bytes, at},
        {"growth of memory", :poll_memory, at}
      ])
    )
  end

  defp watch(figures, plan) do
    at = {:endpoints, plan.size}
    many = {:endpoints, plan.topologies * plan.topology_members}

    Pairs.svg(
      "Watching #{plan.size} endpoints, not polling every 5 s",
      pairs(figures, [
        {"write to connect", :reaction, at},
        {"requests an hour", :idle_requests, at},
        {"bytes an hour", :idle_bytes, at},
        {"server CPU an hour", :idle_server_cpu, at},
        {"server CPU, #{plan.topologies} at once", :many_changing_server_cpu, many}
      ])
    )
  end

  defp members(figures) do
    lines =
      for {source, who, label} <- [
            {:pods, :stock, "stock, pods"},
            {:endpoints, :stock, "stock, endpoints"},
            {:pods, :ours, "ours, pods"},
            {:endpoints, :ours, "ours, endpoints"}
          ] do
        points = for %{measure: :poll_client_cpu, source: ^source, who: ^who} = f <- figures, do: {f.members, f.median}
        {label, who, Enum.sort(points)}
      end

    Lines.svg("Client CPU per poll, by members", :ns, lines)
  end

  defp pairs(figures, rows) do
    for {label, measure, {source, members} = at} <- rows,
        %{unit: unit} <- [Enum.find(figures, &({&1.measure, &1.source, &1.members} == {measure, source, members}))] do
      {label, unit, Figure.find(figures, measure, at, :ours), Figure.find(figures, measure, at, :stock)}
    end
  end
end
