defmodule LibclusterKubernetes.Bench.Measure.Reaction do
  @moduledoc """
  From the sending of a write to the connect: ours watches, the stock strategy polls every 5 s. Both have their defaults.

  The time that the server takes for the write is in it, and reported by itself, too: an Endpoints object of 1,000
  addresses is read, checked and stored whole for each of them that comes. Writes come at random in the stock strategy's
  interval; several of its clients see each of them where they are no load on the machine.
  """

  alias LibclusterKubernetes.Bench.{Client, Figure, Server, Setting}
  alias LibclusterKubernetes.Bench.Client.Recorder

  @interval 5_000
  @most_stock_clients 4

  def run(%{plan: plan} = setting, source, members) do
    at = {source, members}
    # Numbers never used before: each change brings a new member.
    {writes, ours} = samples(setting, :ours, at, 1, 1..plan.reactions)
    clients = 1_000 |> div(members) |> max(1) |> min(@most_stock_clients)
    changes = 1_001..(1_000 + div(plan.stock_reactions, clients))

    stock =
      if :stock in Setting.subjects(setting, source),
        do: setting |> samples(:stock, at, clients, changes) |> elem(1),
        else: []

    for {who, values} <- [ours: ours, stock: stock, write: writes], values != [] do
      Figure.new(:reaction, at, who, :us, values)
    end
  end

  # How long the writes took, and the reactions to them.
  defp samples(setting, who, {source, members}, count, numbers) do
    namespace = Server.namespace(source, members)

    clients =
      for _ <- 1..count do
        if count > 1, do: Process.sleep(:rand.uniform(div(@interval, 2)))
        # Changes of ours replaced one of the members, or came on top.
        Setting.start_client!(setting, who, source, namespace, members, interval: @interval, watch?: true)
      end

    Process.sleep(1_000)
    {writes, reactions} = numbers |> Enum.map(&sample(setting, who, {source, members}, clients, &1)) |> Enum.unzip()
    Enum.each(clients, &Client.stop/1)
    {writes, Enum.concat(reactions)}
  end

  defp sample(setting, who, {source, members}, clients, number) do
    namespace = Server.namespace(source, members)
    {node, change} = Server.prepare_change!(setting.server, source, namespace, members, number)
    # The change before, and the pod without an address, are old news then.
    Process.sleep(if who == :stock, do: :rand.uniform(@interval), else: 50 + :rand.uniform(100))
    written = System.os_time(:microsecond)
    change.()
    answered = System.os_time(:microsecond)
    reactions = for client <- clients, do: Client.call(client, Recorder, :await_connect, [:k8s, node]) - written
    {answered - written, reactions}
  end
end
