defmodule LibclusterKubernetes.Test.Cable do
  @moduledoc """
  A network namespace on the other end of a cable that can be cut: a pair of veth devices. The addresses exist in it
  and on this end only.
  """

  @enforce_keys [:namespace, :device, :address]
  defstruct @enforce_keys

  @doc "Makes the namespace and lays the cable; `remove/1` takes both away."
  def lay! do
    id = System.pid() |> String.to_integer() |> rem(60_000)
    cable = %__MODULE__{namespace: "cable#{id}", device: "cable#{id}", address: "10.#{div(id, 250)}.#{rem(id, 250)}.2"}
    ip!(["netns", "add", cable.namespace])
    ip!(["link", "add", cable.device, "type", "veth", "peer", "name", "eth0", "netns", cable.namespace])
    ip!(["addr", "add", String.replace_suffix(cable.address, ".2", ".1/30"), "dev", cable.device])
    ip!(["link", "set", cable.device, "up"])
    ip!(["-n", cable.namespace, "addr", "add", cable.address <> "/30", "dev", "eth0"])
    ip!(["-n", cable.namespace, "link", "set", "lo", "up"])
    mend!(cable)
    cable
  end

  @doc "The command that runs another one on the other end."
  def via(cable), do: ["ip", "netns", "exec", cable.namespace]

  @doc "From now on packets are lost, and nobody is told."
  def cut!(cable), do: ip!(["-n", cable.namespace, "link", "set", "eth0", "down"])

  def mend!(cable), do: ip!(["-n", cable.namespace, "link", "set", "eth0", "up"])

  def remove(cable) do
    System.cmd("ip", ["link", "del", cable.device], stderr_to_stdout: true)
    System.cmd("ip", ["netns", "del", cable.namespace], stderr_to_stdout: true)
    :ok
  end

  defp ip!(args) do
    {_, 0} = System.cmd("ip", args)
    :ok
  end
end
