defmodule LibclusterKubernetes.FailingApiTest do
  # What the strategy makes of an API that fails, and of credentials that are missing, wrong or replaced.
  # The addresses are no other test's: what another topology of this VM holds is not disconnected.
  use ExUnit.Case, async: true

  import ExUnit.CaptureLog
  import LibclusterKubernetes.Test.FakeApiserver, only: [endpoints: 1]

  import LibclusterKubernetes.Test.Topology,
    only: [await_lists: 2, connected: 3, members: 2, start: 1, start: 3, wait_until: 1]

  alias LibclusterKubernetes.Strategy.Incident
  alias LibclusterKubernetes.Test.{FakeApiserver, Log, Topology}

  setup context, do: Topology.alone(context)

  describe "a failing API" do
    @faults [
      forbidden: %{status: %{code: 403}},
      unauthorized: %{status: %{code: 401}},
      server: %{status: %{code: 500, body: "<html>oops</html>"}},
      redirect: %{status: %{code: 302, headers: %{location: "https://example.com/"}}},
      rate_limited: %{status: %{code: 429, headers: %{"retry-after" => "0"}}},
      closed: "close",
      reset: "reset",
      truncated: %{truncate_body: 20},
      empty_object: %{raw_body: "{}"},
      null_items: %{raw_body: ~s({"kind":"EndpointsList","metadata":{"resourceVersion":"1"}})},
      other_kind: %{raw_body: ~s({"kind":"PodList","metadata":{"resourceVersion":"1"},"items":[]})},
      not_json: %{raw_body: "not json"}
    ]

    for {name, fault} <- @faults do
      @fault fault
      test "#{name}: disconnects nobody, is logged once, and is over when it is over", context do
        members(context, ["10.5.0.1"])

        log =
          capture_log(fn ->
            start(context, [kubernetes_disconnect_after: 0], unquote(name))
            assert_receive {:connect, :"app@10.5.0.1", true}

            FakeApiserver.faults(context.server, [%{at: "request", do: @fault, times: 2}])
            FakeApiserver.put(context.server, "endpoints", "more", endpoints(["10.5.0.2"]))
            assert_receive {:connect, :"app@10.5.0.2", true}, 10_000
          end)

        refute_received {:disconnect, _}
        lines = log |> String.split("\n") |> Enum.filter(&(&1 =~ "[libcluster:#{unquote(name)}]" and &1 =~ "[warning]"))
        assert [line] = lines
        assert line =~ "cannot list endpoints in namespace"
        assert log =~ "the Kubernetes API answers again"
        refute log =~ File.read!(Path.join(context.server.service_account, "token"))
      end
    end

    test "a server that is gone: nobody leaves, and life goes on when it is back", context do
      connected(context, ["10.5.0.1", "10.5.0.2"], kubernetes_disconnect_after: 0)
      FakeApiserver.listening(context.server, false)
      refute_receive {:disconnect, _}, 500

      members(context, ["10.5.0.1", "10.5.0.3"])
      FakeApiserver.listening(context.server, true)
      assert_receive {:connect, :"app@10.5.0.3", true}, 30_000
      assert_receive {:disconnect, :"app@10.5.0.2"}
    end

    test "an absence that was seen before the failure does not disconnect during it", context do
      connected(context, ["10.5.0.1", "10.5.0.2", "10.5.0.3"], kubernetes_disconnect_after: 250)
      members(context, ["10.5.0.1", "10.5.0.3"])
      await_lists(context.server, 2)
      FakeApiserver.faults(context.server, [%{at: "request", do: %{status: %{code: 503}}}])
      refute_receive {:disconnect, _}, 800

      FakeApiserver.no_faults(context.server)
      assert_receive {:disconnect, :"app@10.5.0.2"}, 10_000
    end

    test "forbidden names verb, resource and namespace; what to do about it waits until it lasts", context do
      FakeApiserver.token(context.server, "watcher", [
        %{verbs: ["watch"], resources: ["endpoints"], namespaces: ["default"]}
      ])

      File.write!(Path.join(context.server.service_account, "token"), "watcher")

      log =
        Log.naming(context.topology, fn ->
          start(context)
          await_lists(context.server, 2)
        end)

      assert log =~ ~s(cannot list endpoints in namespace "default")
      assert log =~ ~s(cannot list resource "endpoints")
      refute log =~ "Bind a Role"
    end
  end

  describe "credentials" do
    test "nothing is sent where the CA or the token is missing", context do
      for {file, message} <- [{"ca.crt", "ca.crt"}, {"token", "token"}] do
        folder = Path.join(context.server.dir, "without-#{file}")
        File.cp_r!(context.server.service_account, folder)
        File.rm!(Path.join(folder, file))
        FakeApiserver.clear_journal(context.server)

        log =
          capture_log(fn ->
            pid = start(context, [kubernetes_service_account_path: folder], :"without #{file}")
            wait_until(fn -> Incident.lasts?(:sys.get_state(pid).incident) end)
          end)

        assert log =~ Path.join(folder, message)
        assert log =~ "nothing was sent"
        assert %{"connections_accepted" => 0, "requests" => 0} = FakeApiserver.summary(context.server)
      end
    end

    test "no request reaches a server that the CA does not vouch for", context do
      folder = Path.join(context.server.dir, "wrong-ca")
      File.cp_r!(context.server.service_account, folder)
      File.cp!(Path.join(context.server.dir, "other-ca.crt"), Path.join(folder, "ca.crt"))
      assert_tls_error(start(context, [kubernetes_service_account_path: folder], :wrong_ca), context, "UnknownIssuer")

      FakeApiserver.certificate(context.server, %{sans: ["elsewhere.example"], ca: "own", expired: false})
      assert_tls_error(start(context, [], :wrong_host), context, "not valid for name")

      FakeApiserver.certificate(context.server, %{sans: ["127.0.0.1"], ca: "own", expired: true})
      assert_tls_error(start(context, [], :expired), context, "expired")
    end

    test "a rotated token and a rotated CA are used without a restart", context do
      folder = Path.join(context.server.dir, "rotated")
      File.cp_r!(context.server.service_account, folder)
      connected(context, ["10.5.0.1"], kubernetes_service_account_path: folder)

      FakeApiserver.token(context.server, "rotated", [%{verbs: ["*"], resources: ["*"], namespaces: ["*"]}])
      replace!(Path.join(folder, "token"), "rotated")
      FakeApiserver.certificate(context.server, %{sans: ["127.0.0.1"], ca: "other", expired: false})
      replace!(Path.join(folder, "ca.crt"), File.read!(Path.join(context.server.dir, "other-ca.crt")))
      members(context, ["10.5.0.2"])
      assert_receive {:connect, :"app@10.5.0.2", true}, 10_000
    end
  end

  defp assert_tls_error(pid, context, reason) do
    FakeApiserver.clear_journal(context.server)
    wait_until(fn -> Incident.lasts?(:sys.get_state(pid).incident) end)
    assert :sys.get_state(pid).incident.reason =~ "TLS failed"
    assert :sys.get_state(pid).incident.reason =~ reason
    assert %{"requests" => 0} = FakeApiserver.summary(context.server)
    stop_supervised!(:sys.get_state(pid).topology.topology)
  end

  # As the kubelet does: a reader sees the old or the new content, never a part.
  defp replace!(path, content) do
    File.write!(path <> ".new", content)
    File.rename!(path <> ".new", path)
  end
end
