defmodule LibclusterKubernetes.Bench.Measure.Reaction do
  @moduledoc """
  From the sending of a write to the connect: ours watches, the stock strategy polls every 5 s. Both have their defaults.

  Several clients of the stock strategy with phases at random see each write, and writes come at random, too, so that a
  dozen samples do not take minutes. The time that the server takes for the write is in it.
  """

  alias LibclusterKubernetes.Bench.{Client, Figure, Server, Setting}
  alias LibclusterKubernetes.Bench.Client.Recorder

  @interval 5_000
  @stock_clients 4

  def run(%{plan: plan} = setting, source) do
    at = {source, plan.size}
    # Numbers never used before: each change brings a new member.
    ours = samples(setting, :ours, source, 1, 1..plan.reactions)

    theirs =
      if :stock in Setting.subjects(setting, source),
        do:
          samples(setting, :stock, source, @stock_clients, 1_001..(1_000 + div(plan.stock_reactions, @stock_clients))),
        else: []

    for {who, values} <- [ours: ours, stock: theirs], values != [], do: Figure.new(:reaction, at, who, :us, values)
  end

  defp samples(%{plan: plan} = setting, who, source, clients, numbers) do
    namespace = Server.namespace(source, plan.size)

    clients =
      for _ <- 1..clients do
        if who == :stock, do: Process.sleep(:rand.uniform(div(@interval, 2)))
        # Changes of ours replaced one of the members, or came on top.
        Setting.start_client!(setting, who, source, namespace, plan.size, interval: @interval, watch?: true)
      end

    Process.sleep(1_000)
    samples = Enum.flat_map(numbers, &sample(setting, who, source, namespace, clients, &1))
    Enum.each(clients, &Client.stop/1)
    samples
  end

  defp sample(setting, who, source, namespace, clients, number) do
    {node, change} = Server.prepare_change!(setting.server, source, namespace, setting.plan.size, number)
    # The change before, and the pod without an address, are old news then.
    Process.sleep(if who == :stock, do: :rand.uniform(@interval), else: 50 + :rand.uniform(100))
    written = System.os_time(:microsecond)
    change.()
    for client <- clients, do: Client.call(client, Recorder, :await_connect, [:k8s, node]) - written
  end
end
