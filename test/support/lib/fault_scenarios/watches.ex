defmodule LibclusterKubernetes.Test.FaultScenarios.Watches do
  @moduledoc "Streams that break, lie, say nothing or say too much, while lists are right; and the reverse."

  import LibclusterKubernetes.Test.Answers

  alias LibclusterKubernetes.Test.{Api, FakeApiserver, JSON}

  @once [modes: [:watch], struck: :none, truth: :visible]
  @always [modes: [:watch], truth: :either, incidents: :many, struck: {"watches", 1}]
  @cuts 0..60

  def scenarios, do: once() ++ going_back() ++ errors() ++ lines() ++ streams() ++ refusals() ++ cuts()

  # One line that is not true, among those that are.
  defp once do
    for {name, lines, kinds} <- [
          {"the same event twice", &(known(&1, "MODIFIED") <> known(&1, "MODIFIED")), []},
          {"ADDED for the known", &known(&1, "ADDED"), []},
          {"MODIFIED for the unknown", &stranger(&1, "MODIFIED"), []},
          {"DELETED for the unknown", &stranger(&1, "DELETED"), []},
          {"empty lines", fn _run -> "\n\r\n\n" end, [nil, :malformed]},
          {"a garbage line", fn _run -> "garbage\n" end, [:malformed]},
          {"a line of noise", fn _run -> <<0, 255, 254, 10>> end, [:malformed]},
          {"an unknown type", &stranger(&1, "RENAMED"), [:malformed]},
          {"a type in lower case", &stranger(&1, "added"), [:malformed]},
          {"an event without an object", fn _run -> ~s({"type":"ADDED"}\n) end, [:malformed]},
          {"an event whose object is null", fn _run -> frame("MODIFIED", nil) end, [:malformed]},
          {"an event whose object is empty", fn _run -> frame("MODIFIED", %{}) end, [:malformed]},
          {"a DELETED without a name", fn _run -> frame("DELETED", %{metadata: %{resourceVersion: "9"}}) end,
           [:malformed]},
          {"an event without a version", fn _run -> frame("ADDED", %{metadata: %{name: "x"}}) end, [:malformed]},
          {"a bookmark without a version", fn _run -> frame("BOOKMARK", %{metadata: %{}}) end, [:malformed]},
          {"two events in one line", &String.replace(stranger(&1, "ADDED") <> stranger(&1, "ADDED"), "}\n{", "}{"),
           [:malformed]},
          {"an event over two lines", &String.replace(stranger(&1, "ADDED"), ",", ",\n", global: false), [:malformed]},
          {"the token in an event", &frame("ADDED", %{metadata: %{name: &1.token, resourceVersion: "9"}}),
           [:malformed]},
          {"100,000 brackets in a line", fn _run -> String.duplicate("[", 100_000) <> "\n" end, [:malformed]},
          # Whether it was useful before decides whether this is a failure.
          {"an ERROR 500", fn _run -> frame("ERROR", status(500)) end, [nil, :server]},
          {"an ERROR 410", fn _run -> frame("ERROR", status(410)) end, []}
        ] do
      {"once: #{name}", {:send, lines}, [kinds: kinds] ++ @once}
    end
  end

  # The server goes on from where the client says it is; its history has nobody, A, and A and B.
  defp going_back do
    for {name, lines} <- [
          {"a bookmark for version 1", &bookmark(&1.source, "1")},
          {"a bookmark for version 0", &bookmark(&1.source, "0")},
          {"an event of version 1", &stranger(&1, "MODIFIED")},
          {"a bookmark for version -1", &bookmark(&1.source, "-1")},
          {"a bookmark for a version that is no number", &bookmark(&1.source, "abc")},
          {"a bookmark for an empty version", &bookmark(&1.source, "")}
        ],
        compacted? <- [false, true] do
      start = fn run ->
        1 = FakeApiserver.send_to_watches(run.server, lines.(run))
        # Slowly, so that each event of the history is seen by itself.
        slowly = %{at: "request", verb: "watch", do: %{drip: %{bytes: 100, every_ms: 10}}}
        FakeApiserver.faults(run.server, [slowly])
        if compacted?, do: FakeApiserver.compact(run.server)
        FakeApiserver.end_watches(run.server)
      end

      text = if compacted?, do: ", the history forgotten", else: ""

      # An empty one is no event; and the slow stream may be unheard when it is cut.
      {"#{name}, then the end#{text}", {:call, start, &FakeApiserver.no_faults(&1.server)},
       [kinds: [nil, :malformed, :connect], incidents: 2, sources: :all, second?: false] ++ @once}
    end
  end

  # Every stream ends with this.
  defp errors do
    for {name, object, kinds} <- [
          {"410 Expired", status(410, "too old", %{reason: "Expired"}), []},
          {"410 Gone", status(410, "gone", %{reason: "Gone"}), []},
          {"401", status(401), [:unauthorized]},
          {"403", status(403), [:forbidden]},
          {"404", status(404), [:not_found]},
          {"429", status(429), [:rate_limited]},
          {"429, retryAfterSeconds 1", status(429, "later", %{details: %{retryAfterSeconds: 1}}), [:rate_limited]},
          {"500", status(500), [:server]},
          {"503", status(503), [:server]},
          {"504", status(504), [:server]},
          {"200", status(200), [:server]},
          {"without code", Map.delete(status(500), :code), [:server]},
          {"with a code that is text", %{status(500) | code: "500"}, [:malformed]},
          {"with nothing", %{}, [:server]},
          {"with null", nil, [:malformed]},
          {"with text", "gone", [:malformed]},
          {"with an object of the source", %{metadata: %{name: "app", resourceVersion: "9"}}, [:server]}
        ] do
      patience = if name =~ "retryAfter", do: 1_000, else: 0

      {"ERROR #{name}, in a loop", {:watch, stream([frame("ERROR", object)])},
       [kinds: kinds, patience: patience, struck: {"watches", 1}] ++ @always}
    end ++
      [
        {"ERROR with the token, in a loop", {:watch, &stream([frame("ERROR", status(500, "no, #{&1.token}"))])},
         [kinds: [:malformed]] ++ @always},
        {"ERROR without an object, in a loop", {:watch, stream([~s({"type":"ERROR"}\n)])},
         [kinds: [:malformed]] ++ @always}
      ]
  end

  # Every stream begins with this, and stays open or ends.
  defp lines do
    for {name, fault, kinds} <- [
          {"a garbage line", stream(["garbage\n"]), [:malformed]},
          {"half a line and a clean end", stream([~s({"type":"ADD)]), [:malformed, :connect]},
          {"half a line and a cut", stream([~s({"type":"ADD)], :cut), [:malformed, :connect]},
          {"a list", fn run -> raw(http(200, JSON.encode(list(run)))) end, [:malformed, :connect]},
          {"a list and a line feed", fn run -> raw(http(200, JSON.encode(list(run)) <> "\n")) end, [:malformed]},
          {"a Status", raw(http(200, JSON.encode(status(500)) <> "\n")), [:malformed]},
          {"HTML", raw(http(200, "<html>\n<p>\n</html>\n")), [:malformed]},
          {"a frame of 50 MB", %{huge_frame: 50_000_000}, [:too_large]},
          {"a frame of 7 MB", %{huge_frame: 7_000_000}, []},
          {"an endless line", stream(List.duplicate(String.duplicate("x", 65_536), 140), :cut), [:too_large]}
        ] do
      again? = kinds != []
      {"always: #{name}", {:watch, fault}, [kinds: kinds, again?: again?] ++ @always}
    end
  end

  defp streams do
    [
      {"always: a garbage line, said once", {:watch, stream(["garbage\n"])},
       modes: [:watch], kinds: [:malformed], notices: 1, truth: :either, struck: {"watches", 2}},
      {"streams that end at once", {:watch, stream([])}, [struck: {"watches", 1}] ++ @always},
      {"streams of one bookmark", {:watch, fn run -> stream([bookmark(run.source, "1")]) end},
       [struck: {"watches", 1}] ++ @always},
      {"bookmarks without end", {:watch, "endless_bookmarks"},
       modes: [:watch], struck: {"watches", 1}, again?: false, hold: 20, change: :after},
      {"silent streams",
       {:call, &FakeApiserver.silent_watches(&1.server, true), &FakeApiserver.silent_watches(&1.server, false)},
       modes: [:watch], sources: :all, struck: :none, hold: 20},
      {"streams that drip", {:watch, %{drip: %{bytes: 40, every_ms: 20}}}, @once},
      {"streams cut, again and again",
       {:call, &often(&1, fn server -> FakeApiserver.cut_watches(server) end), fn _run -> :ok end},
       @once ++ [kinds: [nil, :connect], incidents: :many, sources: :all, second?: false]},
      {"streams ended, again and again",
       {:call, &often(&1, fn server -> FakeApiserver.end_watches(server) end), fn _run -> :ok end},
       @once ++ [second?: false]}
    ]
  end

  # Lists are right, and no watch opens; or the reverse.
  defp refusals do
    for {name, fault, kinds} <- [
          {"503", %{status: %{code: 503}}, [:server]},
          {"500", %{status: %{code: 500}}, [:server]},
          {"429", %{status: %{code: 429}}, [:rate_limited]},
          {"401", %{status: %{code: 401}}, [:unauthorized]},
          {"410", %{status: %{code: 410}}, []},
          {"400", %{status: %{code: 400}}, []},
          {"403", %{status: %{code: 403}}, []},
          {"404", %{status: %{code: 404}}, []},
          {"405", %{status: %{code: 405}}, []},
          {"a reset", "reset", [:connect]},
          {"a close", "close", [:connect]},
          {"noise", raw("noise\r\n\r\n", false), [:malformed]}
        ] do
      known = if kinds == [], do: [truth: :visible, struck: {"watches", 1}, again?: false], else: []
      {"lists, but a watch is #{name}", {:watch, fault}, [kinds: kinds, notices: 1] ++ @always ++ known}
    end ++
      [
        {"lists, but a watch hangs", {:watch, "hang"},
         [kinds: [nil, :timeout, :connect], notices: 1, changes: 1, hangs: "watches"] ++
           [config: [kubernetes_request_timeout: 1_000]] ++ @always},
        {"watches, but a list is 503", {:list, %{status: %{code: 503}}},
         [modes: [:watch], struck: :none, truth: :visible]}
      ]
  end

  # Bookmarks flow, so that each cut comes; a stream that was heard is between two that may not have been.
  defp cuts do
    for {source, part} <- [endpoints: 0, endpoint_slices: 1, pods: 2] do
      lengths = Enum.filter(@cuts, &(rem(&1, 3) == part))
      faults = Enum.flat_map(lengths, &[%{cut_after_bytes: 400}, %{cut_after_bytes: &1}])

      start = fn run ->
        FakeApiserver.bookmarks(run.server, 20)
        requests = for fault <- faults, do: %{at: "request", verb: "watch", do: fault, times: 1}
        FakeApiserver.faults(run.server, requests)
        FakeApiserver.cut_watches(run.server)
      end

      repair = fn run ->
        FakeApiserver.bookmarks(run.server, 60_000)
        FakeApiserver.no_faults(run.server)
      end

      {"streams cut after #{part}, #{part + 3}, ... #{List.last(lengths)} bytes of #{Api.resource(source)}",
       {:call, start, repair},
       modes: [:watch],
       sources: [source],
       kinds: [nil, :connect],
       incidents: :many,
       notices: 1,
       truth: :visible,
       struck: {"watches", div(length(faults), 2)},
       second?: false}
    end
  end

  defp often(run, break) do
    for _ <- 1..5 do
      FakeApiserver.await(run.server, "watches_open=1")
      FakeApiserver.bookmark(run.server)
      break.(run.server)
    end
  end

  # The first member's object, as it is.
  defp known(run, type), do: frame(type, run.api |> Api.objects() |> hd())

  # An object without members, of version 1.
  defp stranger(run, type) do
    object =
      if run.source == :pods,
        do: Map.delete(object(:pods, "stranger", ["10.1.0.4"]), :status),
        else: object(run.source, "stranger", [])

    frame(type, object)
  end
end
