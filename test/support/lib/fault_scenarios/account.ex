defmodule LibclusterKubernetes.Test.FaultScenarios.Account do
  @moduledoc "The files of the service account: missing, damaged, replaced, rotated."

  alias LibclusterKubernetes.Test.{FakeApiserver, FaultRun}

  @network [modes: [:poll, :watch]]
  @files ["token", "ca.crt", "namespace"]

  def scenarios, do: files() ++ wrong() ++ rotations()

  defp files do
    for file <- @files, {name, change} <- damages() do
      sources = if name == "missing", do: :all, else: :rotate
      # A folder cannot be replaced by a file in one step.
      changes = if name == "a folder", do: 1, else: 0

      {"#{file} #{name}", {:account, &change.(Path.join(&1, file))},
       [kinds: [:credentials], changes: changes, sources: sources] ++ @network}
    end ++
      [{"the whole folder missing", {:account, &File.rm_rf!/1}, [kinds: [:credentials]] ++ @network}]
  end

  defp damages do
    [
      {"missing", &File.rm!/1},
      {"empty", &replace(&1, "")},
      {"of white space", &replace(&1, "\n \n")},
      {"of noise", &replace(&1, for(byte <- 0..1_023, into: <<>>, do: <<rem(byte, 256)>>))},
      {"of NUL bytes, as after a power cut", &replace(&1, <<0::8192>>)},
      {"of 2 MB", &replace(&1, String.duplicate("x", 2_000_000))},
      {"a folder", fn path -> [File.rm!(path), File.mkdir!(path)] end},
      {"a symlink to nowhere", fn path -> [File.rm!(path), File.ln_s!("nowhere", path)] end},
      {"a symlink to itself", fn path -> [File.rm!(path), File.ln_s!(path, path)] end}
    ]
  end

  # In one step: of a file that is still being written a reader may see less, which is another fault.
  defp replace(path, text) do
    File.write!(path <> ".new", text)
    File.rename!(path <> ".new", path)
  end

  # Well-formed, and not the right ones.
  defp wrong do
    [
      {"token unknown to the server", {:account, &File.write!(Path.join(&1, "token"), "unknown")},
       [kinds: [:unauthorized]] ++ @network},
      {"two tokens in one file", {:account, &File.write!(Path.join(&1, "token"), "one\ntwo")},
       [kinds: [:credentials]] ++ @network},
      {"ca.crt of another CA", {:account, &File.cp!(other_ca(&1), Path.join(&1, "ca.crt"))},
       [kinds: [:tls]] ++ @network},
      {"ca.crt cut in the middle", {:account, &cut(Path.join(&1, "ca.crt"))}, [kinds: [:credentials]] ++ @network},
      {"ca.crt with noise around the right one", {:account, &surround(Path.join(&1, "ca.crt"))},
       [truth: :visible, struck: :none] ++ @network},
      {"namespace that is no name", {:account, &File.write!(Path.join(&1, "namespace"), "../../secrets")},
       [kinds: [:credentials]] ++ @network}
    ]
  end

  defp rotations do
    [
      {"token expired, until a new one is written",
       {:call, &expire/1, &renew(&1, fn run, token -> write(run.account, "token", token) end)},
       [kinds: [:unauthorized], sources: :all, second?: false] ++ @network},
      {"token expired, until the kubelet replaces it",
       {:call, &expire/1, &renew(&1, fn run, token -> publish(run, %{"token" => token}) end)},
       [kinds: [:unauthorized], second?: false] ++ @network},
      {"token rotated 20 times by the kubelet, each old one expired", {:call, &rotate/1, fn _run -> :ok end},
       [truth: :visible, struck: :none, sources: :all, second?: false] ++ @network},
      {"CA changed, until the kubelet replaces it",
       {:call, &other_certificate/1, &publish(&1, %{"ca.crt" => File.read!(other_ca(&1.account))})},
       [kinds: [:tls], sources: :all, second?: false] ++ @network},
      {"CA changed, after both were in ca.crt", {:call, &both_authorities/1, fn _run -> :ok end},
       [truth: :visible, struck: :none, second?: false] ++ @network}
    ]
  end

  defp other_ca(account), do: account |> Path.dirname() |> Path.join("other-ca.crt")
  defp write(folder, file, text), do: File.write!(Path.join(folder, file), text)

  defp cut(path) do
    text = File.read!(path)
    File.write!(path, binary_part(text, 0, div(byte_size(text), 2)))
  end

  defp surround(path) do
    noise = "subject=/CN=nobody\n-----BEGIN CERTIFICATE-----\nbm9ib2R5\n-----END CERTIFICATE-----\n"
    File.write!(path, noise <> File.read!(path) <> noise)
  end

  defp expire(run) do
    FakeApiserver.revoke(run.server, run.token)
    if run.mode == :watch, do: FakeApiserver.cut_watches(run.server)
  end

  defp renew(run, write) do
    token = run.token <> "-new"
    FaultRun.allow(run.server, token)
    write.(run, token)
  end

  # The server is asked with every one of them.
  defp rotate(run) do
    Enum.reduce(1..20, run.token, fn number, old ->
      new = "#{run.token}-#{number}"
      FaultRun.allow(run.server, new)
      publish(run, %{"token" => new})
      FakeApiserver.revoke(run.server, old)
      requests = FakeApiserver.summary(run.server)["requests"]
      if run.mode == :watch, do: end_when_heard(run)
      FakeApiserver.await(run.server, "requests=#{requests + 1}")
      new
    end)
  end

  defp end_when_heard(run) do
    FakeApiserver.await(run.server, "watches_open=1")
    FakeApiserver.bookmark(run.server)
    FakeApiserver.end_watches(run.server)
  end

  defp other_certificate(run) do
    FakeApiserver.certificate(run.server, %{ca: "other"})
    FakeApiserver.cut_connections(run.server)
  end

  defp both_authorities(run) do
    both = File.read!(Path.join(run.account, "ca.crt")) <> File.read!(other_ca(run.account))
    publish(run, %{"ca.crt" => both})
    other_certificate(run)
  end

  # As the kubelet does it: the files are symlinks into `..data`, a symlink to a folder that is replaced as a whole.
  defp publish(run, changes) do
    folder = "..2026_08_04_#{System.unique_integer([:positive])}"
    path = Path.join(run.account, folder)
    files = Map.merge(Map.new(@files, &{&1, File.read!(Path.join(run.account, &1))}), changes)
    File.mkdir!(path)
    for {file, text} <- files, do: write(path, file, text)
    before = File.read_link(Path.join(run.account, "..data"))
    replace_link(run.account, folder, "..data")
    for file <- @files, do: replace_link(run.account, Path.join("..data", file), file)
    with {:ok, before} <- before, do: File.rm_rf!(Path.join(run.account, before))
  end

  defp replace_link(folder, target, name) do
    temporary = Path.join(folder, name <> "_tmp")
    File.ln_s!(target, temporary)
    File.rename!(temporary, Path.join(folder, name))
  end
end
