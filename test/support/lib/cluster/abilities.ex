defmodule LibclusterKubernetes.Test.Cluster.Abilities do
  @moduledoc """
  What only some clusters can do, each by a command in the environment. `bin/test-cluster` says what they are; a test that
  needs one has the tag `needs_stop`, and is skipped with a line where it is missing.
  """

  @commands %{
    stop: {"CLUSTER_STOP", "a component of the control plane or a kubelet that dies"},
    start: {"CLUSTER_START", "a component that is started again"},
    pause: {"CLUSTER_PAUSE", "a component that hangs"},
    resume: {"CLUSTER_RESUME", "a component that goes on after it hung"},
    cut: {"CLUSTER_CUT", "a node without its network"},
    mend: {"CLUSTER_MEND", "a node that has its network again"},
    save: {"CLUSTER_SAVE_ETCD", "a copy of etcd's data"},
    restore: {"CLUSTER_RESTORE_ETCD", "an etcd that is restored from a copy"},
    replace_ca: {"CLUSTER_REPLACE_CA", "a new CA of the API server"},
    audit: {"CLUSTER_AUDIT_LOG", "what pods ask of the API, from its audit log"},
    node: {"CLUSTER_NODE", "a node that the tests may drain and trouble, with all that runs on it"}
  }

  @type t ::
          :stop | :start | :pause | :resume | :cut | :mend | :save | :restore | :replace_ca | :audit | :node

  @spec has?(t()) :: boolean()
  def has?(ability), do: value(ability) != ""

  @doc "The name of the node that may be troubled."
  def node!, do: value(:node)

  @doc "Runs the command of an ability, and answers what it prints."
  @spec run!(t(), [String.t()]) :: String.t()
  def run!(ability, args \\ []) do
    command = value(ability)
    # A command may have arguments of its own.
    case System.cmd("sh", ["-c", ~s(exec #{command} "$@"), command | args], stderr_to_stdout: true) do
      {output, 0} -> output
      {output, status} -> raise "#{command} #{Enum.join(args, " ")} ended with #{status}: #{output}"
    end
  end

  @doc "The tags of the tests that cannot run here, and a line for each ability that is missing."
  def excluded do
    for {ability, {variable, what}} <- @commands, not has?(ability) do
      {:"needs_#{ability}", "skipped: #{what} (#{variable} is not set)"}
    end
    |> Enum.unzip()
  end

  defp value(ability), do: System.get_env(elem(Map.fetch!(@commands, ability), 0), "")
end
