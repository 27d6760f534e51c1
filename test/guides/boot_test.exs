defmodule LibclusterKubernetes.Guides.BootTest do
  # What OTP says of a node that it cannot start, as guides/operating.md has it: there nothing of ours can say it better.
  use ExUnit.Case, async: true

  alias LibclusterKubernetes.Test.Guide

  @moduletag :tmp_dir

  for {arguments, said} <- [
        {~w(--sname my_app@10.1.0.7), "Can't set short node name! Please check your configuration"},
        {~w(--name my_app@), "Can't set long node name! Please check your configuration"},
        {~w(--name @10.1.0.7), "Invalid node name! Please check your configuration"}
      ] do
    test "#{Enum.join(arguments, " ")}", %{tmp_dir: folder} do
      env = [{"ERL_CRASH_DUMP_BYTES", "0"}]
      options = [cd: folder, env: env, stderr_to_stdout: true]
      {output, status} = System.cmd("elixir", unquote(arguments) ++ ["-e", ":ok"], options)
      assert status != 0
      # OTP 27 dies before its logger formats, and shows the end of a line as \n.
      output = String.replace(output, ~r/(\s|\\n)+/, " ")
      rows = Guide.read!("guides/operating.md") |> String.split("### Before anything of ours runs") |> List.last()

      for text <- [unquote(said), "{'EXIT',nodistribution}", "Kernel pid terminated (application_controller)"] do
        assert output =~ text
        assert rows =~ "`#{text}`"
      end
    end
  end
end
