defmodule LibclusterKubernetes.Test.FaultScenarios.Connection do
  @moduledoc "Connections that fail, break or hang; certificates."

  import LibclusterKubernetes.Test.Answers

  @network [modes: [:poll, :watch]]
  @list [modes: [:poll, :relist]]
  # Longer than a second, so that two errors are never of the same. After three, what cannot be watched is listed, too.
  @seconds [hold: 60, changes: 1]
  @quick [kubernetes_request_timeout: 1_000]

  def scenarios do
    [
      {"refused", :refused, [kinds: [:connect], changes: 1, sources: :all] ++ @network},
      {"reset before TLS", {:accept, "reset"}, [kinds: [:connect]] ++ @network},
      {"closed before TLS", {:accept, "close"}, [kinds: [:connect]] ++ @network},
      {"hangs before TLS", {:accept, "hang"}, hangs("connections_accepted", @network)},
      {"hangs inside TLS", {:accept, "hang_in_handshake"}, hangs("connections_accepted", @network)},
      {"HTTP without TLS", {:accept, %{raw_response: http(400, "no")}}, [kinds: [:tls]] ++ @network},
      {"noise in place of TLS", {:accept, raw(noise(), false)}, [kinds: [:tls]] ++ @network},
      {"a fatal TLS alert", {:accept, raw(<<21, 3, 3, 0, 2, 2, 40>>, false)}, [kinds: [:tls]] ++ @network},
      {"certificate expired", {:certificate, %{expired: true}}, [kinds: [:tls]] ++ @seconds ++ @network},
      {"certificate not valid yet", {:certificate, %{not_yet_valid: true}}, [kinds: [:tls]] ++ @seconds ++ @network},
      {"certificate for another host", {:certificate, %{sans: ["other.example"]}}, [kinds: [:tls]] ++ @network},
      {"certificate for another address", {:certificate, %{sans: ["127.0.0.2"]}}, [kinds: [:tls]] ++ @network},
      {"certificate of another CA", {:certificate, %{ca: "other"}}, [kinds: [:tls]] ++ @network},
      {"certificate replaced, connections cut", {:certificate, %{}}, [truth: :visible, struck: :none] ++ @network},
      {"hangs before the head", {:request, "hang"}, hangs("requests", sources: :all)},
      {"hangs after a byte of the head", {:request, %{hang_after_bytes: 1}}, hangs("requests")},
      {"hangs inside the head", {:request, %{hang_after_bytes: 40}}, hangs("requests")},
      {"hangs after the head", {:request, "headers_then_hang" |> then(&%{&1 => true})}, hangs("requests", @list)},
      {"hangs inside the body", {:request, %{hang_after_bytes: 250}}, hangs("requests", @list)},
      {"head drips for too long", {:request, drip("drip_head", 1, 40)}, hangs("requests")},
      {"head drips, in time", {:slow, drip("drip_head", 20, 10)},
       [truth: :visible, struck: {"requests", 1}, again?: false]},
      {"body drips for too long", {:request, drip("drip", 1, 40)}, hangs("requests", @list)},
      {"body drips, in time", {:slow, drip("drip", 60, 10)}, [truth: :visible, struck: {"requests", 1}, again?: false]},
      {"reset in place of an answer", {:request, "reset"}, [kinds: [:connect], sources: :all]},
      {"closed in place of an answer", {:request, "close"}, [kinds: [:connect]]},
      {"body cut at once", {:list, %{truncate_body: 0}}, [kinds: [:connect]] ++ @list},
      {"body cut after a byte", {:list, %{truncate_body: 1}}, [kinds: [:connect]] ++ @list},
      {"body cut inside", {:list, %{truncate_body: 200}}, [kinds: [:connect], sources: :all] ++ @list},
      {"body without end", {:list, %{endless_body: true}},
       [kinds: [:timeout, :too_large], changes: 1, hangs: "lists", config: @quick] ++ @list}
    ]
  end

  # What hangs at the end of the fault is cut then.
  defp hangs(counter, options \\ []),
    do: [kinds: [:timeout, :connect], changes: 1, hangs: counter, config: @quick] ++ options

  defp drip(kind, bytes, every), do: %{kind => %{bytes: bytes, every_ms: every}}
  defp noise, do: for(number <- 1..512, into: <<>>, do: <<rem(number * 167, 256)>>)
end
