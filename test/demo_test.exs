defmodule LibclusterKubernetes.DemoTest do
  # What of bin/demo can be tried without its release: how it reads what nodes print and what the API server was asked, and
  # how its nodes end.
  use ExUnit.Case, async: true

  alias LibclusterKubernetes.Test.Demo.{Cluster, Line, Pod, Requests, Screen, Summary}

  @moduletag :linux

  @two "127.0.0.2"
  @three "127.0.0.3"

  defp cluster(said) do
    Enum.reduce(said, Cluster.new(), fn {pod, parsed}, cluster -> Cluster.said(cluster, pod, "a line", parsed) end)
  end

  defp joined(pod, other), do: {pod, {:joined, other, 2, 1}}
  defp left(pod, other), do: {pod, {:left, other, 1, 1}}

  describe "a line of a node" do
    test "is what the greeter says, with its time in microseconds" do
      assert Line.parse(@two, "hello_cluster@127.0.0.2: started (1 in the cluster) at 1785432100.000456") ==
               {:started, 1_785_432_100_000_456}

      joined = "hello_cluster@127.0.0.2: joined hello_cluster@127.0.0.3 (2 in the cluster) at 1785432100.123456"
      assert Line.parse(@two, joined) == {:joined, @three, 2, 1_785_432_100_123_456}

      left = "hello_cluster@127.0.0.2: left hello_cluster@127.0.0.3 (1 in the cluster) at 1785432100.123456"
      assert Line.parse(@two, left) == {:left, @three, 1, 1_785_432_100_123_456}
    end

    test "is what the topology logs" do
      assert Line.parse(@two, "10:30:55.296 [warning] [libcluster:hello_cluster] no answer [x] (connect)") ==
               {:log, "warning", "no answer [x] (connect)"}
    end

    test "is nothing to us where another node, topology or part of the VM says it" do
      for line <- [
            "hello_cluster@127.0.0.3: started (1 in the cluster) at 1785432100.123456",
            "hello_cluster@127.0.0.2: started (1 in the cluster)",
            "10:30:55.296 [warning] [libcluster:other] no answer",
            "10:30:55.296 [error] ** Connection attempt from node rejected",
            ""
          ] do
        assert Line.parse(@two, line) == :other
      end
    end
  end

  describe "a cluster" do
    test "is a mesh when both ends of each link say so, and nobody else is connected" do
      both = [joined(@two, @three), joined(@three, @two)]
      refute Cluster.mesh?(cluster(tl(both)), [@two, @three])
      assert Cluster.mesh?(cluster(both), [@two, @three])
      refute Cluster.mesh?(cluster(both), [@two])
      refute Cluster.mesh?(cluster(both), [@two, @three, "127.0.0.4"])
      refute Cluster.mesh?(cluster(both ++ [left(@two, @three)]), [@two, @three])
      assert Cluster.mesh?(cluster(both ++ [left(@two, @three), left(@three, @two)]), [@two])
    end

    test "counts warnings by their level before and since Elixir 1.15" do
      said = for level <- ~w(warn warning info error), do: {@two, {:log, level, "text"}}
      assert cluster(said).warnings == %{@two => 2}
    end

    test "keeps what each node said last" do
      cluster = for line <- ["a", "", "b", "c"], reduce: Cluster.new(), do: (it -> Cluster.said(it, @two, line, :other))
      assert Cluster.last_lines(cluster, @two, 2) == ["b", "c"]
      assert Cluster.last_lines(cluster, @three, 2) == []
    end
  end

  test "the journal says whose each list and watch was, and how it was answered" do
    slices = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
    list = %{"path" => slices, "user" => Requests.user(@two), "status" => 200}

    journal = [
      list,
      %{list | "status" => 403},
      %{list | "status" => nil, "user" => Requests.user(@three)},
      Map.put(list, "watch", true),
      %{list | "path" => "/version"},
      %{list | "user" => "admin"},
      %{list | "user" => nil}
    ]

    assert Requests.lists(journal) == %{@two => 2, @three => 1}
    assert Requests.lists(journal, 403) == %{@two => 1}
    assert Requests.watches(journal) == %{@two => 1}
  end

  test "the summary has a line for each pod, and their sums" do
    cluster = cluster([joined(@two, @three), joined(@three, @two), left(@three, @two)])

    assert Summary.table([@two, @three], cluster, %{@two => 3}, %{@two => 1, @three => 20}) == [
             "node            joins   leaves    lists  watches",
             "127.0.0.2           1        0        3        1",
             "127.0.0.3           1        1        0       20",
             "2 nodes             2        1        3       21"
           ]

    assert Summary.latencies([21_700, 5_000, 12_749]) =~ "3 joins"
    assert Summary.latencies([21_700, 5_000, 12_749]) =~ "min 5.0 ms, median 12.7 ms, worst 21.7 ms"
  end

  test "long lines are broken between words" do
    assert Screen.wrap("one two three", 7) == ["one two", "three"]
    assert Screen.wrap("one two three", 6) == ["one", "two", "three"]
    assert Screen.wrap("unbreakable", 6) == ["unbreakable"]
    assert Screen.wrap("", 6) == [""]
  end

  test "a port is taken as it is given, or refused with what is wrong" do
    assert {:ok, port} = Pod.free_port("")
    assert {:ok, ^port} = Pod.free_port("#{port}")
    assert {:error, "HELLO_DIST_PORT is 4370x, but must be a port number"} = Pod.free_port("4370x")
    assert {:error, "HELLO_DIST_PORT is 65536, but must be a port number"} = Pod.free_port("65536")

    {:ok, _socket} = :gen_tcp.listen(port, ip: {127, 0, 0, 9})
    assert {:error, text} = Pod.free_port("#{port}")
    assert text =~ "something listens there"
  end

  describe "a node" do
    # In place of the release: it says when it is there, and in which order it ends.
    @script """
    #!/bin/sh
    trap 'echo ending; exit 0' TERM
    echo "$1 $2"
    while :; do sleep 0.05; done
    """

    setup do
      work = Path.join(System.tmp_dir!(), "demo-test-#{System.unique_integer([:positive])}")
      File.mkdir_p!(work)
      on_exit(fn -> File.rm_rf!(work) end)
      %{work: work}
    end

    defp write(work, script) do
      path = Path.join(work, "pod")
      File.write!(path, script)
      File.chmod!(path, 0o755)
    end

    test "is started as its pod, says its end, and ends in order when it is told to", %{work: work} do
      write(work, @script)
      port = Pod.start(work, @two)
      assert_receive {^port, {:data, {:eol, "127.0.0.2 start"}}}
      Pod.terminate(port)
      assert_receive {^port, {:data, {:eol, "ending"}}}
      assert_receive {^port, {:exit_status, 0}}
    end

    test "that ends by itself says so", %{work: work} do
      write(work, "#!/bin/sh\nexit 3\n")
      port = Pod.start(work, @two)
      assert_receive {^port, {:exit_status, 3}}
      Pod.terminate(port)
    end

    test "ends in order when whoever started it dies", %{work: work} do
      ended = Path.join(work, "ended")
      write(work, String.replace(@script, "echo ending", "touch #{ended}"))
      test = self()

      owner =
        spawn(fn ->
          port = Pod.start(work, @two)
          receive do: ({^port, {:data, _}} -> send(test, :started))
          Process.sleep(:infinity)
        end)

      assert_receive :started
      Process.exit(owner, :kill)
      LibclusterKubernetes.Test.Topology.wait_until(fn -> File.exists?(ended) end)
    end
  end
end
