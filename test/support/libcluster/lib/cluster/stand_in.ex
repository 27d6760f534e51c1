defmodule Cluster.StandIn do
  @moduledoc """
  The application callback of the stand-in for libcluster; see README.md beside it.

  The real libcluster starts no process of its own. This one does, for the `:telemetry` stand-in: its handler table must
  outlive whoever attaches a handler.
  """
  use Application

  @impl Application
  def start(_type, _args) do
    Supervisor.start_link([:telemetry], strategy: :one_for_one, name: __MODULE__)
  end
end
