defmodule LibclusterKubernetes.Bench.Measure.Change do
  @moduledoc """
  One member that comes, or goes, among many: how long the process of the topology works for it. See `Client.Changes`. The stock
  strategy knows no changes: its process reads everything with each poll.
  """

  alias LibclusterKubernetes.Bench.{Client, Figure, Server, Setting}
  alias LibclusterKubernetes.Bench.Client.Changes

  @doc "Of ours."
  def run(%{plan: plan} = setting, source, members) do
    namespace = Server.namespace(source, members)
    client = Setting.start_client!(setting, :ours, source, namespace, members, watch?: true)
    times = Client.call(client, Changes, :measure, [plan.changes])
    Client.stop(client)
    [Figure.new(:change, {source, members}, :ours, :ns, times)]
  end
end
