defmodule LibclusterKubernetes.Test.FaultScenarios.Statuses do
  @moduledoc "Every refusal that a Kubernetes front end sends, with every kind of body; `Retry-After`."

  import LibclusterKubernetes.Test.Answers

  alias LibclusterKubernetes.Test.JSON

  @codes [400, 401, 402, 403, 404, 405, 406, 408, 409, 410, 411, 412, 413, 414, 415, 416, 417, 421, 422, 425, 426] ++
           [428, 429, 431, 451, 499, 500, 501, 502, 503, 504, 505, 507, 508, 511, 520, 521, 522, 524, 525, 530, 598]

  @html "<!doctype html><html><head><title>Error</title></head><body><h1>It works not</h1></body></html>"

  def scenarios, do: codes() ++ echoes() ++ retry_after()

  # One kind of body in all modes, the others in one each.
  defp codes do
    for {code, turn} <- Enum.with_index(@codes),
        {{body, type, bytes}, index} <- Enum.with_index(bodies(code)) do
      modes =
        if index == 0, do: [:poll, :watch, :relist], else: [Enum.at([:poll, :watch, :relist], rem(turn + index, 3))]

      fault = {:request, raw(http(code, [{"Content-Type", type}], bytes))}
      {"#{code} with #{body}", fault, kinds: [kind(code)], modes: modes}
    end
  end

  defp bodies(code) do
    [
      {"a Status", "application/json", JSON.encode(status(code))},
      {"HTML", "text/html", @html},
      {"nothing", "text/plain", ""},
      {"noise", "application/octet-stream", for(byte <- 0..2_047, into: <<>>, do: <<rem(byte, 256)>>)}
    ]
  end

  # Whoever repeats what it was asked with must not get it into a log.
  defp echoes do
    for {name, answer} <- [
          {"the token in the Status of a 403", &http(403, JSON.encode(status(403, "no, #{&1.token}!")))},
          {"the token in a Status of 100 KB", &http(500, JSON.encode(status(500, String.duplicate(&1.token, 300))))},
          {"the token in HTML", &http(502, "<pre>#{&1.token}</pre>")},
          {"the token in a header", &http(503, [{"x-token", &1.token}, {"Retry-After", &1.token}], "")},
          {"the token in the status line", &"HTTP/1.1 500 #{&1.token}\r\nContent-Length: 0\r\n\r\n"},
          {"the token in place of HTTP", &"#{&1.token} #{&1.token}\r\n\r\n"},
          {"the token in a wrong length", &"HTTP/1.1 200 OK\r\nContent-Length: #{&1.token}\r\n\r\n"}
        ] do
      {name, {:request, &raw(answer.(&1), false)}, kinds: [:forbidden, :server, :malformed, :connect], changes: 1}
    end
  end

  defp retry_after do
    for {name, value, patience} <- [
          {"0", "0", 0},
          {"1", "1", 1_000},
          {"a date in 2 s", fn -> date(2) end, 2_000},
          {"a date that is past", fn -> date(-3_600) end, 0},
          {"a year", "31536000", :forever},
          {"a date in the year 9999", "Fri, 31 Dec 9999 23:59:59 GMT", :forever},
          {"2^64 - 1", "18446744073709551615", :forever},
          {"beyond all numbers", String.duplicate("9", 100), 0},
          {"negative", "-30", 0},
          {"a fraction", "1.5", 0},
          {"text", "later", 0},
          {"nothing", "", 0},
          {"noise", <<255, 254, 128>>, 0}
        ] do
      {"Retry-After: #{name}", {:request, fn _run -> raw(http(429, [{"Retry-After", value(value)}], "")) end},
       wait(patience) ++
         [kinds: [:rate_limited], modes: if(patience == 0, do: [:poll, :watch], else: [:poll, :watch, :relist])]}
    end ++
      [
        {"retryAfterSeconds: 1, in a Status",
         {:request, raw(http(503, JSON.encode(status(503, "soon", %{details: %{retryAfterSeconds: 1}}))))},
         kinds: [:server], patience: 1_000},
        {"retryAfterSeconds: -1, in a Status",
         {:request, raw(http(503, JSON.encode(status(503, "soon", %{details: %{retryAfterSeconds: -1}}))))},
         kinds: [:server], modes: [:poll, :watch]},
        {"retryAfterSeconds: text, in a Status",
         {:request, raw(http(503, JSON.encode(status(503, "soon", %{details: %{retryAfterSeconds: "text"}}))))},
         kinds: [:server], modes: [:poll, :watch]}
      ]
  end

  # After the first strike there is nothing but the pause.
  defp wait(:forever), do: [patience: :forever, again?: false]
  defp wait(patience), do: [patience: patience]

  defp value(value) when is_function(value), do: value.()
  defp value(value), do: value

  defp date(seconds) do
    {{year, month, day}, {hour, minute, second}} =
      :calendar.gregorian_seconds_to_datetime(
        :calendar.datetime_to_gregorian_seconds(:calendar.universal_time()) + seconds
      )

    months = ~w(Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec)
    weekday = Enum.at(~w(Mon Tue Wed Thu Fri Sat Sun), :calendar.day_of_the_week(year, month, day) - 1)
    time = Enum.map_join([hour, minute, second], ":", &String.pad_leading("#{&1}", 2, "0"))
    "#{weekday}, #{String.pad_leading("#{day}", 2, "0")} #{Enum.at(months, month - 1)} #{year} #{time} GMT"
  end

  defp kind(401), do: :unauthorized
  defp kind(403), do: :forbidden
  defp kind(404), do: :not_found
  defp kind(429), do: :rate_limited
  defp kind(_code), do: :server
end
