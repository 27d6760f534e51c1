defmodule LibclusterKubernetes.Bench do
  @moduledoc """
  Compares this package with libcluster's own strategy: `bench/run` calls `main/1`, bench/README.md says what the figures
  are. In reading order: `Setting` and `Server`, `Client` with what runs in its VM, one module in `Measure` for each kind of
  figure, and `Report`.
  """

  alias LibclusterKubernetes.Bench.{Machine, Measure, Pictures, Plan, Server, Setting}
  alias LibclusterKubernetes.Bench.Report.{Ratios, Results, Table}

  @sources [:endpoints, :endpoint_slices, :pods]
  @usage "usage: bench/run [--quick] [--only PART,...] [--out DIR]"

  @doc "Measures, prints and writes everything."
  def main(args) do
    {opts, rest, wrong} = OptionParser.parse(args, strict: [quick: :boolean, only: :string, out: :string])
    if rest != [] or wrong != [], do: fail(@usage)
    plan = if opts[:quick], do: Plan.quick(), else: %Plan{}
    parts = if opts[:only], do: String.split(opts[:only], ","), else: plan.parts
    if parts -- Plan.parts() != [], do: fail("--only takes some of #{Enum.join(Plan.parts(), ",")}")
    plan = %{plan | parts: parts}
    server = Server.start!()

    try do
      run(server, plan, opts)
    after
      Server.stop(server)
    end
  end

  defp run(server, plan, opts) do
    opponent? = Code.ensure_loaded?(Cluster.Strategy.Kubernetes)
    machine = Machine.facts(server)
    for {name, fact} <- machine, do: IO.puts("#{name}: #{fact}")
    unless opponent?, do: IO.puts(no_opponent())

    setting = %Setting{server: server, plan: plan, opponent?: opponent?}
    # First: later the server's garbage collector has so much to do that a few changes would not be seen.
    many = if "many" in plan.parts, do: tell(many(setting)), else: []
    say("creating members")
    populate(server, plan)
    say("watching an idle server")
    setting = %{setting | server: Server.measure_idle(server, plan.idle_seconds)}
    # In this order: reactions add members.
    figures =
      for part <- ["poll", "start", "idle", "lateness", "change", "reaction"],
          part in plan.parts,
          do: tell(part(part, setting))

    figures = Enum.concat(figures) ++ many

    IO.puts(["\n", Table.text(figures), "\n"])
    for line <- Ratios.lines(figures, plan), do: IO.puts(line)
    write(figures, machine, plan, folder(setting, opts))
  end

  defp populate(server, plan) do
    for source <- sources(plan), members <- plan.sizes do
      Server.populate!(server, source, Server.namespace(source, members), members)
    end
  end

  # So that they are not lost where a later part fails.
  defp tell(figures) do
    IO.puts(:stderr, Table.text(figures))
    figures
  end

  # Those of which something is measured.
  defp sources(%{parts: parts} = plan) do
    few = %{"poll" => @sources, "lateness" => [:pods], "change" => [:endpoints]}
    parts |> Enum.flat_map(&Map.get(few, &1, plan.sources)) |> Enum.uniq()
  end

  defp many(%{plan: plan} = setting) do
    say("#{plan.topologies} topologies at once")
    Measure.Many.run(setting)
  end

  defp part("poll", setting), do: each(setting, @sources, "polling", [&Measure.Poll.run/3, &Measure.Fresh.polling/3])
  defp part("start", setting), do: each(setting, setting.plan.sources, "start", [&Measure.Fresh.start_up/3])
  defp part("change", setting), do: each(setting, [:endpoints], "one change", [&Measure.Change.run/3])
  defp part("reaction", setting), do: each(setting, setting.plan.sources, "reaction", [&Measure.Reaction.run/3])

  defp part("idle", %{plan: plan} = setting) do
    say("an idle hour, #{plan.size} of each source")
    Measure.Idle.run(setting)
  end

  defp part("lateness", %{plan: plan} = setting) do
    say("lateness while #{Plan.largest(plan)} pods are listed")
    Measure.Lateness.run(setting)
  end

  # Each source with each number of members.
  defp each(%{plan: plan} = setting, sources, what, measures) do
    Enum.concat(
      for source <- sources, members <- plan.sizes do
        say("#{what}, #{members} #{source}")
        Enum.flat_map(measures, & &1.(setting, source, members))
      end
    )
  end

  # Pictures and data in the repository are those of a whole run against the real things.
  defp folder(%{opponent?: opponent?}, opts) do
    cond do
      opts[:out] -> opts[:out]
      opponent? and Server.real?() and opts[:quick] != true and opts[:only] == nil -> "bench"
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
