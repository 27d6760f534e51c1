defmodule LibclusterKubernetes.Options.Source do
  @moduledoc false
  # What the API calls the kinds of `kubernetes_ip_lookup_mode`, in roles and in what is said of them. There is no clause for
  # any other: a kind that is new and not named here fails, where a guess would be a role that allows nothing.

  @type t :: :endpoints | :endpoint_slices | :pods

  @doc "The plural name of the resource."
  @spec resource(t()) :: String.t()
  def resource(:endpoints), do: "endpoints"
  def resource(:endpoint_slices), do: "endpointslices"
  def resource(:pods), do: "pods"

  @doc "The API group; that of the core is empty."
  @spec group(t()) :: String.t()
  def group(:endpoints), do: ""
  def group(:endpoint_slices), do: "discovery.k8s.io"
  def group(:pods), do: ""
end
