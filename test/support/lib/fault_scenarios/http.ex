defmodule LibclusterKubernetes.Test.FaultScenarios.Http do
  @moduledoc "Answers that are not HTTP as it should be, or not the kind of answer that was asked for."

  import LibclusterKubernetes.Test.Answers

  alias LibclusterKubernetes.Test.{FaultRun, JSON}

  @list [modes: [:poll, :relist]]
  @static [struck: {"lists", 1}]

  def scenarios do
    protocol() ++ framing() ++ successes() ++ redirects()
  end

  defp protocol do
    for {name, bytes, kinds} <- [
          {"nothing but a line feed", "\n", [:malformed, :connect]},
          {"noise", for(number <- 0..600, into: <<>>, do: <<rem(number * 167, 256)>>), [:malformed]},
          {"words instead of HTTP", "hello there\r\n\r\n", [:malformed]},
          {"the greeting of a mail server", "220 mail.example ESMTP\r\n", [:malformed, :connect]},
          {"HTTP/2", "\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x64\0\x04\0\x0f\xff\xff\0\x01\0\0\x10\0",
           [:malformed, :connect]},
          {"HTTP/9.9", "HTTP/9.9 200 OK\r\nContent-Length: 0\r\n\r\n", [:malformed]},
          {"a status that is no number", "HTTP/1.1 abc OK\r\n\r\n", [:malformed]},
          {"a status of four digits", "HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n", [:malformed]},
          {"status 000", "HTTP/1.1 000 OK\r\nContent-Length: 0\r\n\r\n", [:malformed]},
          {"status 999", http(999, "x"), [:server]},
          {"a header without a colon", "HTTP/1.1 200 OK\r\nnonsense\r\n\r\n", [:malformed]},
          {"a header with control characters", "HTTP/1.1 200 OK\r\nx: \x01\x00\r\n\r\n", [:malformed]},
          {"a head of 1 MB", http(200, [{"x", String.duplicate("x", 1_000_000)}], "{}"), [:too_large]},
          {"1,000 headers", http(200, for(n <- 1..1_000, do: {"x-#{n}", n}), "{}"), [:malformed, :too_large]},
          {"100, and no more", "HTTP/1.1 100 Continue\r\n\r\n", [:connect, :malformed]},
          {"101", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
           [:server, :malformed]},
          {"103, and no more", "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", [:connect, :malformed, :server]}
        ] do
      # The connection ends, and a client that has begun to ask again may notice it late.
      {name, {:request, raw(bytes, false)}, kinds: [:connect | kinds], changes: 1}
    end
  end

  # The lists are empty ones: were one taken, everybody would be disconnected.
  defp framing do
    for {name, bytes, kinds} <- [
          {"Content-Length too short", fn body -> head(200, [{"Content-Length", 20}]) <> body end, [:malformed]},
          {"Content-Length 0", fn body -> head(200, [{"Content-Length", 0}]) <> body end, [:malformed]},
          {"Content-Length too long", fn body -> head(200, [{"Content-Length", 99_999}]) <> body end, [:connect]},
          {"Content-Length beyond all measure",
           fn body -> head(200, [{"Content-Length", "99999999999999999999999"}]) <> body end, [:malformed]},
          {"Content-Length negative", fn body -> head(200, [{"Content-Length", -1}]) <> body end, [:malformed]},
          {"Content-Length no number", fn body -> head(200, [{"Content-Length", "many"}]) <> body end, [:malformed]},
          {"two lengths, the first too short",
           fn body -> head(200, [{"Content-Length", 20}, {"Content-Length", byte_size(body)}]) <> body end,
           [:malformed]},
          {"two lengths, the second too short",
           fn body -> head(200, [{"Content-Length", byte_size(body)}, {"Content-Length", 20}]) <> body end,
           [:malformed]},
          {"chunks of no size", fn body -> chunked("zz\r\n#{body}\r\n0\r\n\r\n") end, [:malformed]},
          {"chunks of negative size", fn body -> chunked("-5\r\n#{body}\r\n0\r\n\r\n") end, [:malformed]},
          {"chunks beyond all measure", fn body -> chunked("ffffffffffffffffff\r\n#{body}\r\n0\r\n\r\n") end,
           [:malformed, :connect]},
          {"a chunk longer than it says", fn body -> chunked("10\r\n#{body}\r\n0\r\n\r\n") end, [:malformed]},
          {"chunks without an end", fn body -> chunked("#{Integer.to_string(byte_size(body), 16)}\r\n#{body}\r\n") end,
           [:connect, :malformed]},
          {"no chunk at all", fn _body -> chunked("") end, [:connect, :malformed]},
          {"compressed, it says", fn body -> http(200, [{"Content-Encoding", "gzip"}], :zlib.gzip(body)) end,
           [:malformed]},
          {"a transfer encoding that nobody knows", fn body -> head(200, [{"Transfer-Encoding", "rot13"}]) <> body end,
           [:malformed]}
        ] do
      {name, {:list, fn run -> raw(bytes.(empty(run)), false) end}, [kinds: kinds] ++ @list}
    end ++
      [
        {"an answer that nobody asked for", {:list, fn run -> raw(http(200, body(run)) <> http(200, empty(run))) end},
         @static ++ [kinds: [nil, :malformed]] ++ @list},
        {"an empty list after the right one", {:list, fn run -> raw(http(200, body(run) <> empty(run))) end},
         [kinds: [:malformed]] ++ @list},
        {"103 before the answer", {:list, fn run -> raw(head(103, []) <> http(200, body(run))) end},
         @static ++ [kinds: [nil, :server, :malformed]] ++ @list},
        {"length and chunks that contradict each other", {:list, fn run -> raw(contradiction(run), false) end},
         @static ++ [kinds: [nil, :malformed, :connect]] ++ @list}
      ]
  end

  # An empty list, under a status that says that it is something else.
  defp successes do
    for code <- [201, 202, 203, 204, 205, 206, 207, 226, 304] do
      {"#{code}", {:list, fn run -> raw(success(code, empty(run))) end}, [kinds: [:server]] ++ @list}
    end ++
      for code <- [204, 206, 304] do
        {"#{code} to a watch", {:watch, raw(success(code, ""))},
         [kinds: [nil, :server], truth: :either, modes: [:watch]]}
      end
  end

  defp success(code, _body) when code in [204, 304], do: head(code, [])
  defp success(code, body), do: http(code, [{"Content-Type", "application/json"}], body)

  defp redirects do
    for code <- [300, 301, 302, 303, 307, 308],
        {where, location} <- [
          {"elsewhere", fn run -> "https://127.0.0.1:#{FaultRun.elsewhere_port(run)}/api" end},
          {"elsewhere without TLS", fn run -> "http://127.0.0.1:#{FaultRun.elsewhere_port(run)}/api" end},
          {"nowhere", fn _run -> ":::" end},
          {"here", fn run -> "#{run.server.url}/api/v1/namespaces/default/endpoints" end}
        ],
        where == "elsewhere" or code == 302 do
      modes = if where == "elsewhere", do: [:poll, :watch, :relist], else: [:poll]
      fault = {:request, fn run -> raw(http(code, [{"Location", location.(run)}], "")) end}
      {"#{code} to #{where}", fault, kinds: [:server], modes: modes}
    end
  end

  defp chunked(bytes), do: head(200, [{"Transfer-Encoding", "chunked"}]) <> bytes

  defp contradiction(run) do
    list = body(run)
    size = Integer.to_string(byte_size(list), 16)

    head(200, [{"Content-Length", byte_size(list)}, {"Transfer-Encoding", "chunked"}]) <>
      "#{size}\r\n#{list}\r\n0\r\n\r\n"
  end

  defp empty(run), do: JSON.encode(%{list(run) | items: []})
  defp body(run), do: JSON.encode(list(run))
end
