defmodule Cluster.Logger do
  @moduledoc """
  Log lines in libcluster's format: `[libcluster:TOPOLOGY] message`.

  `debug/2` is silent unless `config :libcluster, debug: true` is set.
  """
  require Logger

  @spec debug(atom, String.t()) :: :ok
  def debug(topology, message) do
    if Application.get_env(:libcluster, :debug) in [nil, false, "false"],
      do: :ok,
      else: write(:debug, topology, message)
  end

  @spec info(atom, String.t()) :: :ok
  def info(topology, message), do: write(:info, topology, message)

  @spec warn(atom, String.t()) :: :ok
  def warn(topology, message), do: write(:warning, topology, message)

  @spec error(atom, String.t()) :: :ok
  def error(topology, message), do: write(:error, topology, message)

  defp write(level, topology, message) do
    Logger.log(level, "[libcluster:#{topology}] #{message}")
  end
end
