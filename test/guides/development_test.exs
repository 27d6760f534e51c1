defmodule LibclusterKubernetes.Guides.DevelopmentTest do
  # The tests that guides/development.md gives to the reader, in an application that follows the README.
  use ExUnit.Case, async: true

  alias LibclusterKubernetes.Test.Guide

  @moduletag :tmp_dir

  setup %{tmp_dir: folder} do
    File.mkdir_p!(Path.join(folder, "config"))
    [runtime] = for block <- Guide.blocks("README.md", "elixir"), block.text =~ "config_env()", do: block.text
    File.write!(Path.join(folder, "config/runtime.exs"), runtime)

    for %{text: text} <- Guide.blocks("guides/development.md", "elixir"), text =~ "use ExUnit.Case" do
      [_, name] = Regex.run(~r/defmodule MyApp\.(\w+)Test/, text)
      File.write!(Path.join(folder, "#{String.downcase(name)}_test.exs"), text)
    end

    %{runtime: runtime}
  end

  test "the configuration of the README is accepted, and what is wrong with one is said", context do
    assert {said, 0} = run("topologies_test.exs", context)
    assert said =~ ~r"1 test, 0 failures|Result: 1 passed"

    for {wrong, why} <- [
          {"kubernetes_ip_lookup_mode: :pod", "the option kubernetes_ip_lookup_mode is :pod"},
          {"kubernetes_ip_lookup_mod: :pods", "did you mean kubernetes_ip_lookup_mode?"}
        ] do
      text = String.replace(context.runtime, "kubernetes_ip_lookup_mode: :pods", wrong)
      File.write!(Path.join(context.tmp_dir, "config/runtime.exs"), text)
      assert {said, status} = run("topologies_test.exs", context)
      assert status != 0
      assert said =~ why
    end
  end

  @tag skip: System.otp_release() < "25" and ":peer is there since OTP 25"
  test "a test of the reader's starts another node", context do
    {:ok, socket} = :gen_tcp.listen(0, [])
    {:ok, port} = :inet.port(socket)
    :gen_tcp.close(socket)
    {_, 0} = System.cmd("epmd", ["-port", "#{port}", "-daemon"])
    on_exit(fn -> System.cmd("epmd", ["-port", "#{port}", "-kill"]) end)

    assert {said, 0} = run("nodes_test.exs", context, [{"ERL_EPMD_PORT", "#{port}"}])
    assert said =~ ~r"1 test, 0 failures|Result: 1 passed"
  end

  defp run(file, %{tmp_dir: folder}, env \\ []) do
    code = Enum.flat_map(Path.wildcard("#{Mix.Project.build_path()}/lib/*/ebin"), &["-pa", &1])
    System.cmd("elixir", code ++ ["-e", "ExUnit.start()", "-r", file], cd: folder, env: env, stderr_to_stdout: true)
  end
end
