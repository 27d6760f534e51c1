defmodule LibclusterKubernetes.Test.Soak.Faults do
  @moduledoc """
  Random faults of the API side: of answers, of the server, of the service account's files. Each begins and ends, by a
  function of the site that answers it as it is then; `blocks_lists?` says that no list succeeds in between.
  """

  alias LibclusterKubernetes.Test.FakeApiserver

  @enforce_keys [:kind, :begin, :finish]
  defstruct @enforce_keys ++ [blocks_lists?: false]

  @everything [%{verbs: ["*"], resources: ["*"], namespaces: ["*"]}]
  @lists_only [%{verbs: ["list"], resources: ["*"], namespaces: ["*"]}]

  defmodule Site do
    @moduledoc "A server, and the service account that it trusts at the moment."
    @enforce_keys [:server, :address, :token, :authority]
    defstruct @enforce_keys ++ [changes: 0]
  end

  @doc "A server of its own for a topology. No client has this address, so that nobody takes its port while it is away."
  def site(address) do
    server = FakeApiserver.start!(["--listen", "#{address}:0", "--san", address])
    File.cp!(file(server, "ca.crt"), Path.join(server.dir, "own-ca.crt"))
    %Site{server: server, address: address, token: File.read!(file(server, "token")), authority: "own"}
  end

  @doc "A fault of what requests are answered; there is one at a time."
  def of_answers do
    if chance(8) do
      action = pick(["hang", "reset", "close", %{raw_response: "HTTP/1.1 200 OK\r\n\r\n{}"}])
      of_answers("accept: #{label(action)}", %{at: "accept", do: action}, false)
    else
      verb = pick([nil, "list", "list", "watch"])
      times = pick([nil, nil, nil, 1])
      {action, blocks?} = if verb == "watch" and chance(2), do: watch_action(), else: action()

      fault =
        for {key, value} <- [verb: verb, times: times],
            value != nil,
            into: %{at: "request", do: action},
            do: {key, value}

      of_answers("#{label(action)}", fault, blocks? and verb != "watch" and times == nil)
    end
  end

  @doc "A fault of the server or of the service account; there is one at a time."
  def of_site do
    pick([
      &away/0,
      &away/0,
      &bad_certificate/0,
      &new_authority/0,
      &late_token/0,
      &rotated_token/0,
      &unknown_token/0,
      &no_watching/0,
      &forbidden/0,
      &silence/0,
      &forgotten/0,
      &spoilt_file/0,
      &spoilt_file/0
    ]).()
  end

  @doc "Something that happens to the open watches, or to what they go on from, and is over at once."
  def of_watches do
    error = &~s({"type":"ERROR","object":{"kind":"Status","status":"Failure","message":"soak","code":#{&1}}}\n)

    pick([
      {:cut, &cut/1},
      {:cut, &cut/1},
      {:ended, &control(&1, :post, "/watches/end")},
      {:bookmark, &control(&1, :post, "/bookmark")},
      {:compacted, &control(&1, :post, "/compact")},
      {:forgotten, &forget/1},
      {:garbage,
       &send_watches(&1, pick(["garbage\n", "{\"type\":\"ADDED\"}\n", "{}\n", "[]\n", "\xFF\xFE\n", "{\"type\":"]))},
      {:empty_lines, &send_watches(&1, "\n\n\n")},
      {:error_frame, &send_watches(&1, error.(pick([500, 504, 429])))},
      {:expired_frame, &send_watches(&1, error.(410))}
    ])
  end

  ## Answers

  defp of_answers(kind, fault, blocks?) do
    %__MODULE__{
      kind: kind,
      begin: &control(&1, :put, "/faults", [fault]),
      finish: &control(&1, :delete, "/faults"),
      blocks_lists?: blocks?
    }
  end

  # Each with whether lists fail by it.
  defp action do
    pick([
      fn -> {%{status: status(pick([401, 403, 404, 409, 410, 429, 500, 502, 503, 504]))}, true} end,
      fn ->
        {%{status: status(pick([201, 204, 301, 302, 307, 400, 405, 406, 408, 411, 413, 415, 418, 422, 431, 501, 599]))},
         true}
      end,
      fn -> {"hang", true} end,
      fn -> {"reset", true} end,
      fn -> {"close", true} end,
      fn -> {%{headers_then_hang: true}, true} end,
      fn -> {%{truncate_body: Enum.random(0..20)}, true} end,
      # A shorter body than that is whole.
      fn -> {%{truncate_body: Enum.random(21..2_000)}, false} end,
      fn -> {%{drip: %{bytes: Enum.random(1..400), every_ms: Enum.random(1..20)}}, false} end,
      fn ->
        {%{
           raw_body:
             pick(["", "null", "{}", "[]", "{\"kind\":", "<html></html>", List.duplicate("[", 9_999) |> to_string()])
         }, true}
      end,
      fn ->
        {%{raw_body: ~s({"kind":"NodeList","apiVersion":"v1","metadata":{"resourceVersion":"1"},"items":[]})}, true}
      end,
      fn ->
        {%{raw_response: pick(["", "SSH-2.0-OpenSSH_9.2\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{}"])}, true}
      end
    ]).()
  end

  defp watch_action do
    {pick([
       %{cut_after_bytes: Enum.random(0..1_000)},
       %{huge_frame: Enum.random(1_000..1_000_000)},
       %{raw_body: "nonsense\n"},
       %{endless_bookmarks: true}
     ]), false}
  end

  defp status(code) do
    headers = %{
      301 => %{"location" => "https://127.0.0.1:1/"},
      302 => %{"location" => "https://127.0.0.1:1/"},
      307 => %{"location" => "/elsewhere"},
      429 => pick([%{}, %{"retry-after" => "1"}]),
      503 => pick([%{}, %{"retry-after" => "1"}])
    }

    body = pick([%{}, %{}, %{body: ""}, %{body: "<html>no</html>"}, %{body: %{kind: "Status", code: code}}])
    Map.merge(%{code: code, headers: Map.get(headers, code, %{})}, body)
  end

  ## Server and service account

  defp away do
    %__MODULE__{
      kind: "server away",
      begin: &control(&1, :put, "/listening", false),
      finish: &control(&1, :put, "/listening", true),
      blocks_lists?: true
    }
  end

  defp bad_certificate do
    bad =
      pick([
        &%{sans: [&1.address], ca: &1.authority, expired: true},
        &%{sans: ["other.test"], ca: &1.authority},
        &%{sans: [&1.address], ca: if(&1.authority == "own", do: "other", else: "own")}
      ])

    %__MODULE__{
      kind: "bad certificate",
      begin: fn site -> site |> control(:put, "/certificate", bad.(site)) |> reconnected() end,
      finish: &control(&1, :put, "/certificate", %{sans: [&1.address], ca: &1.authority}),
      blocks_lists?: true
    }
  end

  defp new_authority do
    %__MODULE__{
      kind: "authority replaced",
      begin: fn site ->
        site = %{site | authority: if(site.authority == "own", do: "other", else: "own")}
        site |> control(:put, "/certificate", %{sans: [site.address], ca: site.authority}) |> reconnected()
      end,
      finish: &write(&1, "ca.crt"),
      blocks_lists?: true
    }
  end

  defp late_token do
    %__MODULE__{
      kind: "token rotated late",
      begin: &control(&1, :delete, "/tokens/#{&1.token}"),
      finish: &new_token/1,
      blocks_lists?: true
    }
  end

  # As it should be: the new one is valid before it is in the file, and the old one until after.
  defp rotated_token do
    begin = fn site ->
      new = new_token(site)
      control(site, :delete, "/tokens/#{site.token}")
      new
    end

    %__MODULE__{kind: "token rotated", begin: begin, finish: & &1}
  end

  defp unknown_token, do: refusal("token unknown", &control(&1, :delete, "/tokens/#{&1.token}"), true)
  defp forbidden, do: refusal("forbidden", &control(&1, :put, "/tokens/#{&1.token}", grant([])), true)

  defp no_watching,
    do: refusal("watching forbidden", &cut(control(&1, :put, "/tokens/#{&1.token}", grant(@lists_only))), false)

  defp refusal(kind, begin, blocks?) do
    finish = &control(&1, :put, "/tokens/#{&1.token}", grant(@everything))
    %__MODULE__{kind: kind, begin: begin, finish: finish, blocks_lists?: blocks?}
  end

  defp silence do
    %__MODULE__{
      kind: "silent watches",
      begin: &control(&1, :put, "/watches/silent", true),
      finish: &control(&1, :put, "/watches/silent", false)
    }
  end

  defp forgotten do
    %__MODULE__{
      kind: "history forgotten",
      begin: fn site -> site |> control(:put, "/watches/expired_as_status", true) |> forget() end,
      finish: &control(&1, :put, "/watches/expired_as_status", false)
    }
  end

  defp spoilt_file do
    name = pick(["token", "ca.crt", "namespace"])

    spoil =
      pick([
        &File.rm!/1,
        &File.write!(&1, ""),
        &File.write!(&1, "Not what it should be"),
        &File.write!(&1, <<0, 255, 10, 200>>),
        fn path -> [File.rm!(path), File.mkdir!(path)] end
      ])

    %__MODULE__{
      kind: "#{name} spoilt",
      begin: fn site ->
        spoil.(file(site.server, name))
        site
      end,
      finish: &write(&1, name),
      blocks_lists?: true
    }
  end

  # A change elsewhere, with a version of its own, of which no watch tells: whoever goes on from before it is too late.
  defp forget(site) do
    site = %{site | changes: site.changes + 1}
    other = %{metadata: %{labels: %{number: "#{site.changes}"}}}
    FakeApiserver.put(site.server, "endpoints", "elsewhere", "other", other)
    site |> control(:post, "/compact") |> cut()
  end

  # Everybody has to come again.
  defp reconnected(site), do: control(site, :post, "/connections/cut")

  defp new_token(site) do
    new = %{site | token: "soak-token-of-at-least-24-characters-#{site.changes}", changes: site.changes + 1}
    new |> control(:put, "/tokens/#{new.token}", grant(@everything)) |> write("token")
  end

  defp write(site, name) do
    content =
      case name do
        "token" -> site.token
        "namespace" -> "default"
        "ca.crt" -> File.read!(Path.join(site.server.dir, "#{site.authority}-ca.crt"))
      end

    path = file(site.server, name)
    File.write!(path <> ".new", content)
    if File.dir?(path), do: File.rmdir!(path)
    File.rename!(path <> ".new", path)
    site
  end

  defp file(server, name), do: Path.join(server.service_account, name)
  defp grant(rules), do: %{user: "soak", rules: rules}
  defp cut(site), do: control(site, :post, "/watches/cut")

  defp send_watches(site, bytes) do
    FakeApiserver.send_to_watches(site.server, bytes)
    site
  end

  defp control(site, method, path, body \\ nil) do
    FakeApiserver.control!(site.server, method, path, body)
    site
  end

  defp label(%{status: %{code: code}}), do: "status #{code}"
  defp label(action) when is_map(action), do: action |> Map.keys() |> hd() |> to_string()
  defp label(action), do: action

  defp pick(choices), do: Enum.random(choices)
  defp chance(one_of), do: :rand.uniform(one_of) == 1
end
