defmodule LibclusterKubernetes.Bench.Machine do
  @moduledoc "What it was measured on."

  alias LibclusterKubernetes.Bench.Server
  alias LibclusterKubernetes.Test.Requirements

  @doc "Facts by name."
  @spec facts(Server.t()) :: [{atom(), String.t()}]
  def facts(server) do
    [
      date: Date.utc_today() |> Date.to_iso8601(),
      cpu: "#{System.schedulers_online()} × #{first("/proc/cpuinfo", ~r/^model name\s*:\s*(.+)$/m)}",
      memory: first("/proc/meminfo", ~r/^MemTotal:\s*(.+)$/m),
      kernel: "Linux " <> first("/proc/sys/kernel/osrelease", ~r/^(.+)$/m),
      load: first("/proc/loadavg", ~r/^(\S+)/),
      elixir: "#{System.version()}, OTP #{System.otp_release()}",
      server: Server.description(server),
      libcluster: String.replace_prefix(Requirements.libcluster(), "libcluster: ", "")
    ]
  end

  defp first(file, pattern) do
    with {:ok, text} <- File.read(file), [_, found] <- Regex.run(pattern, text), do: found, else: (_ -> "unknown")
  end
end
