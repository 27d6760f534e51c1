defmodule Cluster.LoggerContract do
  use ExUnit.Case, async: false

  import ExUnit.CaptureLog

  defp with_debug(value) do
    on_exit(fn -> Application.delete_env(:libcluster, :debug) end)
    Application.put_env(:libcluster, :debug, value)
  end

  for {function, level} <- [info: "info", warn: "warning", error: "error"] do
    test "#{function}/2 logs at #{level}, with the topology" do
      log =
        capture_log(fn -> apply(Cluster.Logger, unquote(function), [:my_topology, "text"]) end)

      assert log =~ "[#{unquote(level)}]"
      assert log =~ "[libcluster:my_topology] text"
    end
  end

  test "debug/2 is silent by default" do
    assert capture_log(fn -> Cluster.Logger.debug(:t, "text") end) == ""
  end

  for value <- [nil, false, "false"] do
    test "debug/2 is silent with debug: #{inspect(value)}" do
      with_debug(unquote(value))
      assert capture_log(fn -> Cluster.Logger.debug(:t, "text") end) == ""
    end
  end

  test "debug/2 logs with debug: true" do
    with_debug(true)
    log = capture_log(fn -> Cluster.Logger.debug(:t, "text") end)

    assert log =~ "[debug]"
    assert log =~ "[libcluster:t] text"
  end
end
