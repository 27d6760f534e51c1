defmodule LibclusterKubernetes.Test.LookupEpmd do
  @moduledoc """
  An epmd module that asks epmd for others and does not register its own node: on one machine all nodes share one epmd,
  which knows them by their basenames only.
  """

  # The VM calls this before any application runs, so it uses Erlang functions only.
  def start_link, do: :ignore
  def register_node(_name, _port), do: {:ok, -1}
  def register_node(_name, _port, _driver), do: {:ok, -1}
  def listen_port_please(_name, _host), do: {:ok, 0}

  defdelegate address_please(name, host, family), to: :erl_epmd
  defdelegate port_please(name, host), to: :erl_epmd
  defdelegate port_please(name, host, timeout), to: :erl_epmd
  defdelegate names(host), to: :erl_epmd
end
