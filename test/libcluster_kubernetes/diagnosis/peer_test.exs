defmodule LibclusterKubernetes.Diagnosis.PeerTest do
  # What takes the place of epmd, and listeners that are no nodes. Real ones are in test/integration/diagnose_test.exs.
  use ExUnit.Case, async: true

  alias LibclusterKubernetes.Diagnosis.{Members, Peer, Surroundings, Verdict}

  defmodule Epmd do
    # `ANSWER@HOST`: the basename says what is answered.
    def address_please(_name, ~c"nowhere.example", _family), do: {:error, :nxdomain}
    def address_please(_name, ~c"fd00--7.default.pod.cluster.local", :inet), do: {:error, :nxdomain}
    def address_please(_name, ~c"fd00--7.default.pod.cluster.local", :inet6), do: {:ok, {0xFD00, 0, 0, 0, 0, 0, 0, 7}}
    def address_please(_name, ~c"10.9.9.9", :inet6), do: {:error, :nxdomain}
    def address_please(_name, _host, _family), do: {:ok, {127, 0, 0, 1}}

    def port_please(~c"none", _address), do: :noport
    def port_please(~c"closed", _address), do: {:error, :econnrefused}
    def port_please(~c"silent", _address), do: receive(do: (:never -> :noport))
    def port_please(~c"p" ++ port, _address), do: {:port, List.to_integer(port), 6}

    def names(_address), do: {:ok, []}
  end

  defp surroundings(more \\ []), do: struct!(Surroundings, [node: "app@10.0.0.1", epmd: Epmd] ++ more)

  defp check(member, more \\ []) do
    surroundings = surroundings(more)
    [check] = Verdict.checks([{member, Peer.look(member, surroundings, 2_000)}], surroundings)
    check
  end

  # A port of this node that does this with whoever connects.
  defp listen(fun) do
    {:ok, listener} = :gen_tcp.listen(0, [:binary, ip: {127, 0, 0, 1}, packet: 2, active: false])
    {:ok, port} = :inet.port(listener)

    spawn_link(fn ->
      {:ok, socket} = :gen_tcp.accept(listener)
      fun.(socket)
      # Until the other side is done.
      :gen_tcp.recv(socket, 0)
    end)

    port
  end

  test "each step that fails has its reason" do
    assert %{status: :failed, data: %{reason: :host}, found: found} = check("app@nowhere.example")
    assert found =~ ":nxdomain"
    assert %{status: :failed, data: %{reason: :noport}} = check("none@10.0.0.2")

    assert %{status: :failed, data: %{reason: :epmd}, remedy: "Nobody listens there. Is that a node without epmd" <> _} =
             check("closed@10.0.0.2")

    {:ok, socket} = :gen_tcp.listen(0, ip: {127, 0, 0, 1})
    {:ok, port} = :inet.port(socket)
    :gen_tcp.close(socket)
    assert %{status: :failed, data: %{reason: :port}} = check("p#{port}@10.0.0.2")
    assert %{status: :failed, data: %{reason: :port}} = check("p#{port}@10.0.0.2", protocol: "inet_tls")
  end

  test "a member that has an address of the other family only is no matter of the DNS" do
    check = check("app@fd00--7.default.pod.cluster.local")
    assert %{status: :failed, data: %{reason: :family}, found: found, remedy: remedy} = check
    assert found =~ "(IPv6 only)"
    assert remedy =~ "-proto_dist inet6_tcp"
    refute remedy =~ "CoreDNS"

    assert %{data: %{reason: :family}, found: found} = check("app@10.9.9.9", protocol: "inet6_tcp")
    assert found =~ "(IPv4 only)"
  end

  describe "members" do
    defp verdicts(outcomes, more \\ []), do: Verdict.checks(outcomes, surroundings(more))

    test "that fail alike are one check, what is true of most first, those that are connected last" do
      outcomes = [
        {"app@1", :connected},
        {"app@2", {:epmd, :etimedout}},
        {"app@3", {:cookie, "10.0.0.3, port 9100"}},
        {"app@4", {:cookie, "10.0.0.4, port 9100"}}
      ]

      assert [cookie, epmd, connected] = verdicts(outcomes)
      assert %{status: :failed, data: %{reason: :cookie, members: ["app@3", "app@4"]}} = cookie

      assert cookie.found ==
               "refuses the cookie of this node: app@3 (10.0.0.3, port 9100), app@4 (10.0.0.4, port 9100)"

      assert cookie.remedy =~ "RELEASE_COOKIE"
      assert %{status: :failed, data: %{members: ["app@2"]}, remedy: "Both ports" <> _} = epmd
      assert %{status: :ok, found: "1 connected: app@1"} = connected
    end

    test "that could be connected are said to be so soon only where that is true" do
      reachable = [{"app@2", {:reachable, "10.0.0.2, port 9100"}}]
      assert [%{status: :warning, remedy: "The strategy tries again within a minute" <> _}] = verdicts(reachable)

      for standing <- [:draining, :absent] do
        assert [%{status: :warning, found: found, remedy: nil}] = verdicts(reachable, process: %{standing: standing})
        assert found =~ "this pod terminates"
      end

      assert [%{found: found, remedy: nil}] = verdicts(reachable, process: :missing)
      assert found =~ "no process runs the topology"
    end

    test "of a node that epmd knows at another port than this node looks at" do
      assert [%{found: found, remedy: remedy}] = verdicts([{"app@2", {:other_port, "10.0.0.2, port 9100", 43_211}}])
      assert found =~ "(10.0.0.2, port 9100; epmd there says port 43211)"
      assert remedy =~ "-erl_epmd_port"
    end
  end

  test "the guide explains every reason" do
    {:ok, types} = Code.Typespec.fetch_types(Peer)
    {:type, {:outcome, {:type, _, :union, outcomes}, []}} = Enum.find(types, &match?({_, {:outcome, _, _}}, &1))
    guide = File.read!("guides/diagnose.md")

    reasons = for {:type, _, :tuple, [{:atom, _, reason} | _]} <- outcomes, do: reason
    assert :cookie in reasons
    for reason <- reasons, do: assert(guide =~ "| `#{inspect(reason)}` |")
  end

  test "a member that is connected is not looked at" do
    assert %{status: :ok} = check("none@10.0.0.2", connected: ["none@10.0.0.2"])
  end

  test "distribution over TLS is looked at up to its port" do
    port = listen(fn _socket -> :ok end)

    assert %{status: :failed, data: %{reason: :unknown}, remedy: remedy} =
             check("p#{port}@10.0.0.2", protocol: "inet_tls")

    assert remedy =~ "inet_tls"
  end

  test "a node that refuses this one says how" do
    port = listen(&:gen_tcp.send(&1, "snot_allowed"))
    assert %{status: :failed, data: %{reason: :refused}, found: found} = check("p#{port}@10.0.0.2")
    assert found =~ "not_allowed"
  end

  test "a peer that claims the cookie and cannot prove it is not believed" do
    port =
      listen(fn socket ->
        name = "app@10.0.0.2"
        {:ok, <<?N, _flags::64, _creation::32, size::16, introduced::binary-size(size)>>} = :gen_tcp.recv(socket, 0)
        "app-diagnosis@10.0.0.1" = introduced
        :ok = :gen_tcp.send(socket, "sok")
        :ok = :gen_tcp.send(socket, <<?N, 0::64, 7::32, 1::32, byte_size(name)::16, name::binary>>)
        {:ok, <<?r, _challenge::32, _digest::128>>} = :gen_tcp.recv(socket, 0)
        :ok = :gen_tcp.send(socket, <<?a, 0::128>>)
      end)

    # Its name does not fit either, which counts before the cookie.
    assert %{status: :failed, data: %{reason: :name}, found: found} = check("p#{port}@10.0.0.2")
    assert found =~ ~s(: "app@10.0.0.2"\))
  end

  test "a member that says nothing is given up, and the others are not kept waiting" do
    snapshot = %{ready: ["app@10.0.0.1", "silent@10.0.0.2", "none@10.0.0.3"]}
    # The limit is of the one that is silent; that of the other has to be long enough for a machine that is busy.
    checks = Members.checks(surroundings(), %{snapshot: {:ok, snapshot}}, 10, 1_000)
    assert [%{data: %{reason: :noport}}, %{data: %{reason: :timeout}}] = checks
  end
end
