defmodule LibclusterKubernetes.Bench do
  @moduledoc false
  alias LibclusterKubernetes.Bench.{Plan, Server, Setting}
  alias LibclusterKubernetes.Bench.Measure

  def main(_) do
    plan = Plan.quick()
    {t, server} = :timer.tc(fn -> Server.start!() end)
    IO.puts("start #{div(t, 1000)} ms")
    for {s, n} <- [endpoints: 1000, endpoint_slices: 1000, pods: 1000] do
      {t, _} = :timer.tc(fn -> Server.populate!(server, s, Server.namespace(s, n), n) end)
      IO.puts("populate #{s} #{div(t, 1000)} ms")
    end
    server = Server.measure_idle(server, 3)
    IO.inspect(server.idle)
    setting = %Setting{server: server, plan: plan, opponent?: Code.ensure_loaded?(Cluster.Strategy.Kubernetes)}
    for {s, n} <- [endpoints: 1000, endpoint_slices: 1000, pods: 1000] do
      {t, f} = :timer.tc(fn -> Measure.Poll.run(setting, s, n) end)
      IO.puts("poll #{s} #{div(t, 1000)} ms")
      for f <- f, do: IO.puts("#{f.measure} #{f.who} #{f.unit} #{round f.median} #{round f.low} #{round f.high}")
    end
    IO.inspect(Server.requests(server))
    Server.stop(server)
  end
end
