defmodule LibclusterKubernetes.Bench.Client do
  @moduledoc """
  A client that is measured: a VM of its own with default flags, so that its CPU and memory are the strategy's alone. The
  process that starts it is the one that calls it, and it ends with that process.
  """

  alias LibclusterKubernetes.Bench.Client.Vm

  @enforce_keys [:port, :os_pid]
  defstruct @enforce_keys

  @type t :: %__MODULE__{port: port(), os_pid: pos_integer()}

  @doc "Starts a VM with its applications started. `flags` are further flags of `erl`."
  @spec start!([String.t()]) :: t()
  def start!(flags \\ []) do
    args = ["-noinput", "-noshell" | flags] ++ code_paths() ++ ["-s", Atom.to_string(Vm), "main"]

    port =
      Port.open({:spawn_executable, System.find_executable("erl")}, [
        :binary,
        :nouse_stdio,
        :exit_status,
        packet: 4,
        args: args
      ])

    {:os_pid, os_pid} = Port.info(port, :os_pid)
    client = %__MODULE__{port: port, os_pid: os_pid}
    :ok = call(client, Vm, :prepare, [])
    client
  end

  @doc "Applies a function there, and answers what it returned."
  def call(client, module, function, args, timeout \\ 120_000) do
    Port.command(client.port, :erlang.term_to_binary({module, function, args}))
    port = client.port

    receive do
      {^port, {:data, answer}} ->
        case :erlang.binary_to_term(answer) do
          {:ok, result} -> result
          {:error, text} -> raise "a client failed in #{inspect(module)}.#{function}: #{text}"
        end

      {^port, {:exit_status, status}} ->
        raise "a client ended with status #{status} in #{inspect(module)}.#{function}"
    after
      timeout -> raise "a client did not answer to #{inspect(module)}.#{function} within #{timeout} ms"
    end
  end

  @doc "Ends the VM."
  @spec stop(t()) :: :ok
  def stop(%{port: port}) do
    Port.close(port)
    :ok
  end

  # What this VM has beyond OTP: Elixir, the package, libcluster and what that needs.
  defp code_paths do
    root = :code.root_dir()
    paths = for path <- :code.get_path(), path != ~c".", not List.starts_with?(path, root), do: List.to_string(path)
    Enum.flat_map(paths, &["-pa", &1])
  end
end
