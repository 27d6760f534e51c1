defmodule LibclusterKubernetes.Bench.Measure.Idle do
  @moduledoc """
  What an hour costs in which nothing changes, scaled from a window: requests, bytes and CPU on both sides.

  A watch of ours lasts for 240 to 300 seconds, is then opened anew, and costs so little that one shows nothing. So many
  topologies of every source watch at once, each source in a VM and through a relay of its own, in a window in which each
  watch ends once. All that is in the window counts as if it had come in the 270 seconds that a watch lasts on average.
  The server's CPU is shared out evenly: it does the same for a watch of every source. Once in an hour there is a list: a
  start, with its TLS handshake, is added for that.

  The stock strategy polls so often that a shorter window of one topology shows its hour.
  """

  alias LibclusterKubernetes.Bench.{Client, Figure, Proc, Server, Setting, Stats, Wire}

  @hour 3_600
  @interval 5_000
  # WATCH_FOR and WATCH_FOR_MORE in native/discovery/src/watch/requests.rs.
  @mean_watch_seconds 270
  # What follows a start is over then.
  @settle_seconds 4

  @doc "Of all sources."
  def run(%{plan: plan} = setting) do
    setting = %{setting | server: Server.measure_idle(setting.server, plan.baseline_seconds, &Stats.mean/1)}
    ours = ours(setting)

    stock =
      for source <- plan.sources, :stock in Setting.subjects(setting, source), do: {source, stock(setting, source)}

    for {who, hours} <- [ours: ours, stock: stock],
        {source, hour} <- hours,
        {measure, unit, key} <- measures(),
        do: Figure.new(measure, {source, plan.size}, who, unit, [hour[key]])
  end

  defp measures do
    [
      {:idle_requests, :count, :requests},
      {:idle_bytes, :bytes, :bytes},
      {:idle_client_cpu, :ns, :client},
      {:idle_server_cpu, :ns, :server}
    ]
  end

  defp stock(%{plan: plan} = setting, source) do
    {client, wire, _start} = start(setting, :stock, source, 1)
    window = observe(setting, [{client, wire}], plan.window_seconds)
    stop({client, wire})
    window |> total() |> scale(@hour / plan.window_seconds)
  end

  defp ours(%{plan: plan} = setting) do
    started = for source <- plan.sources, do: {source, start(setting, :ours, source, plan.watchers)}
    clients = for {_source, {client, wire, _start}} <- started, do: {client, wire}
    window = observe(setting, clients, plan.watch_seconds)
    Enum.each(clients, &stop/1)

    for {{source, {_client, _wire, start}}, side} <- Enum.zip(started, window.clients) do
      shared = scale(Map.take(window, [:server, :requests]), 1 / length(started))
      watching = scale(Map.merge(shared, side), @hour / @mean_watch_seconds / plan.watchers)
      {source, Map.merge(watching, scale(total(start), 1 / plan.watchers), fn _key, one, other -> one + other end)}
    end
  end

  defp start(%{plan: plan} = setting, who, source, topologies) do
    wire = Wire.start!(setting.server.port)
    client = Client.start!()
    names = for number <- 1..topologies, do: :"t#{number}"
    namespace = Server.namespace(source, plan.size)
    opts = [port: wire.port, interval: @interval, watch?: true]

    start =
      observe(setting, [{client, wire}], fn ->
        Setting.start_topologies(setting, client, who, source, Enum.map(names, &{&1, namespace}), opts)
        Setting.await_members(client, names, plan.size)
        Process.sleep(@settle_seconds * 1_000)
      end)

    {client, wire, start}
  end

  defp stop({client, wire}) do
    Client.stop(client)
    Wire.stop(wire)
  end

  defp observe(setting, clients, seconds) when is_integer(seconds) do
    observe(setting, clients, fn -> Process.sleep(seconds * 1_000) end)
  end

  # What the server did, and what each of these clients did.
  defp observe(%{server: server}, clients, fun) do
    requests = Server.requests(server)
    before = {System.monotonic_time(:nanosecond), Enum.map(clients, &used/1), Server.cpu(server)}
    fun.()
    {began, used, cpu} = before
    seconds = (System.monotonic_time(:nanosecond) - began) / 1.0e9
    server_cpu = for {name, now} <- Server.cpu(server), do: now - cpu[name] - server.idle[name] * seconds
    sides = Enum.zip_with(clients, used, fn client, earlier -> Map.merge(used(client), earlier, &less/3) end)

    %{server: max(Enum.sum(server_cpu), 0), requests: Server.requests(server) - requests, clients: sides}
  end

  defp used({client, wire}), do: %{client: Proc.cpu_ns(client.os_pid), bytes: Wire.bytes(wire)}

  defp less(_key, now, earlier), do: now - earlier

  # With one client.
  defp total(%{clients: [side]} = observed), do: observed |> Map.delete(:clients) |> Map.merge(side)

  defp scale(costs, factor), do: Map.new(costs, fn {key, value} -> {key, value * factor} end)
end
