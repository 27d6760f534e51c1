defmodule HelloCluster.GreeterTest do
  use ExUnit.Case, async: true

  alias HelloCluster.Greeter

  # The lines that the greeter printed after it has seen `events`.
  defp lines(events, options \\ []) do
    {:ok, device} = StringIO.open("")
    greeter = start_supervised!({Greeter, [name: nil, device: device] ++ options})
    Enum.each(events, &send(greeter, &1))
    :sys.get_state(greeter)
    {:ok, {_input, output}} = StringIO.close(device)
    String.split(output, "\n", trim: true)
  end

  test "names this node first" do
    assert lines([]) == ["nonode@nohost: started (1 in the cluster)"]
  end

  test "tells who joined and who left, with the size of the cluster" do
    events = [nodeup: :"a@127.0.0.2", nodeup: :"b@127.0.0.3", nodedown: :"a@127.0.0.2"]

    assert tl(lines(events)) == [
             "nonode@nohost: joined a@127.0.0.2 (2 in the cluster)",
             "nonode@nohost: joined b@127.0.0.3 (3 in the cluster)",
             "nonode@nohost: left a@127.0.0.2 (2 in the cluster)"
           ]
  end

  test "tells each change once" do
    events = [nodedown: :"x@127.0.0.9", nodeup: :"a@127.0.0.2", nodeup: :"a@127.0.0.2"]
    assert tl(lines(events)) == ["nonode@nohost: joined a@127.0.0.2 (2 in the cluster)"]
  end

  test "tells the time on request" do
    before = System.os_time(:microsecond)

    times =
      for line <- lines([nodeup: :"a@127.0.0.2"], timestamps: true) do
        assert [_, seconds, fraction] = Regex.run(~r/ in the cluster\) at (\d+)\.(\d{6})$/, line)
        String.to_integer(seconds <> fraction)
      end

    assert [started, joined] = times
    assert before <= started and started <= joined
  end

  test "is started by the application, before the cluster supervisor" do
    assert [{Cluster.Supervisor, _, :supervisor, _}, {Greeter, _, :worker, _}] =
             Supervisor.which_children(HelloCluster.Supervisor)
  end
end
