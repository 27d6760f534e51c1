defmodule LibclusterKubernetes.Bench do
  @moduledoc """
  Compares this package with libcluster's own strategy: `bench/run` calls `main/1`, bench/README.md says what the figures
  are. In reading order: `Setting` and `Server`, `Client` with what runs in its VM, one module in `Measure` for each kind of
  figure, and `Report`.
  """

  alias LibclusterKubernetes.Bench.{Machine, Measure, Pictures, Plan, Server, Setting}
  alias LibclusterKubernetes.Bench.Report.{Ratios, Results, Table}

  @sources [:endpoints, :endpoint_slices, :pods]
  @usage "usage: bench/run [--quick] [--window SECONDS] [--out DIR]"

  @doc "Measures, prints and writes everything."
  def main(args) do
    {opts, rest, wrong} = OptionParser.parse(args, strict: [quick: :boolean, window: :integer, out: :string])
    if rest != [] or wrong != [], do: fail(@usage)
    plan = if(opts[:quick], do: Plan.quick(), else: %Plan{}) |> Plan.with_window(opts[:window])
    server = Server.start!()

    try do
      run(server, plan, opts)
    after
      Server.stop(server)
    end
  end

  defp run(server, plan, opts) do
    opponent? = Code.ensure_loaded?(Cluster.Strategy.Kubernetes)
    machine = Machine.facts(server) ++ [windows: "idle #{plan.window_seconds} s, many #{plan.many_seconds} s"]
    for {name, fact} <- machine, do: IO.puts("#{name}: #{fact}")
    unless opponent?, do: IO.puts(no_opponent())

    setting = %Setting{server: server, plan: plan, opponent?: opponent?}
    # First: later the server's garbage collector has so much to do that a few changes would not be seen.
    say("#{plan.topologies} topologies at once")
    many = Measure.Many.run(setting)
    say("creating members")
    populate(server, plan)
    say("watching an idle server")
    setting = %{setting | server: Server.measure_idle(server, plan.idle_seconds)}
    figures = measure(setting) ++ many

    IO.puts(["\n", Table.text(figures), "\n"])
    for line <- Ratios.lines(figures, plan), do: IO.puts(line)
    write(figures, machine, plan, folder(setting, opts))
  end

  defp populate(server, plan) do
    for source <- @sources, members <- plan.sizes do
      Server.populate!(server, source, Server.namespace(source, members), members)
    end
  end

  defp measure(%{plan: plan} = setting) do
    polls =
      for source <- @sources, members <- plan.sizes do
        say("polling #{members} #{source}")
        Measure.Poll.run(setting, source, members) ++ Measure.Fresh.polling(setting, source, members)
      end

    others =
      for source <- plan.sources, {what, module, function} <- at_one_size() do
        say("#{what}, #{plan.size} #{source}")
        apply(module, function, [setting, source])
      end

    say("lateness while #{Plan.largest(plan)} pods are listed")
    lateness = Measure.Lateness.run(setting)
    Enum.concat(polls ++ others ++ [lateness])
  end

  # In this order: reactions add members.
  defp at_one_size do
    [
      {"start", Measure.Fresh, :start_up},
      {"an idle hour", Measure.Idle, :run},
      {"reaction", Measure.Reaction, :run}
    ]
  end

  # Pictures and data in the repository are those of a whole run against the real things.
  defp folder(%{opponent?: opponent?}, opts) do
    cond do
      opts[:out] -> opts[:out]
      opponent? and Server.real?() and not Keyword.get(opts, :quick, false) -> "bench"
      true -> Path.join(System.fetch_env!("CARGO_TARGET_DIR"), "bench")
    end
  end

  defp write(figures, machine, plan, folder) do
    File.mkdir_p!(folder)
    files = [{"results.json", Results.json(figures, Map.new(machine))} | Pictures.all(figures, plan)]
    for {name, text} <- files, do: File.write!(Path.join(folder, name), text)
    IO.puts("\nwritten to #{folder}: #{Enum.map_join(files, ", ", &elem(&1, 0))}")
  end

  defp no_opponent do
    "NO OPPONENT: this libcluster has no Kubernetes strategy (it is the stand-in of the tests), so there is nothing to " <>
      "compare with. Have libcluster in ERL_LIBS, or Hex, and run again."
  end

  defp say(what), do: IO.puts(:stderr, "#{Time.utc_now() |> Time.truncate(:second)} #{what}")

  @spec fail(String.t()) :: no_return()
  defp fail(message) do
    IO.puts(:stderr, message)
    System.halt(2)
  end
end
