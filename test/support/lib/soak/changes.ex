defmodule LibclusterKubernetes.Test.Soak.Changes do
  @moduledoc """
  Random changes of the truth: each is a list of objects to write, one after the other, of which `nil` is to be deleted.
  Endpoints and EndpointSlices share their addresses among a few objects; a pod is an object of its own.
  """

  @objects ~w(app-1 app-2 app-3)
  @kinds [:add, :add, :add, :remove, :remove, :readiness, :drain, :bounce, :relabel, :replace, :empty, :delete, :finish]

  @type change :: {kind :: atom(), [{name :: String.t(), LibclusterKubernetes.Test.Soak.Model.object() | nil}]}

  @doc "A change of `model` with addresses of `pool`."
  @spec random(map(), [String.t()]) :: change()
  def random(model, pool) do
    kind = Enum.random(@kinds)
    ip = Enum.random(pool)
    {kind, change(kind, model, ip, pool)}
  end

  @doc "Puts a member into an object of its own."
  def member(ip), do: {"pod-#{ip}", %{label: "app", members: %{ip => :ready}}}

  defp change(:add, %{source: :pods}, ip, _pool), do: [member(ip)]

  defp change(:add, model, ip, _pool) do
    name = Enum.random(@objects)
    [{name, with_member(object(model, name), ip, :ready)}]
  end

  defp change(:remove, model, ip, _pool),
    do: for({name, object} <- holders(model, ip), do: {name, without(model, object, ip)})

  defp change(:bounce, model, ip, pool) do
    holders = holders(model, ip)
    change(:remove, model, ip, pool) ++ Enum.reverse(holders)
  end

  defp change(:readiness, model, ip, _pool) do
    flip(model, ip, fn standing -> if standing == :ready, do: :not_ready, else: :ready end)
  end

  # Endpoints know no such thing: there the address goes.
  defp change(:drain, %{source: :endpoints} = model, ip, pool), do: change(:remove, model, ip, pool)
  defp change(:drain, model, ip, _pool), do: flip(model, ip, fn _ -> :draining end)

  defp change(:finish, %{source: :pods} = model, ip, _pool), do: flip(model, ip, fn _ -> :finished end)
  defp change(:finish, model, ip, pool), do: change(:remove, model, ip, pool)

  defp change(:relabel, model, _ip, _pool) do
    for {name, object} <- some(model),
        do: {name, %{object | label: if(object.label == "app", do: "other", else: "app")}}
  end

  defp change(:delete, model, _ip, _pool), do: for({name, _} <- some(model), do: {name, nil})

  defp change(:empty, %{source: :pods} = model, _ip, _pool), do: for({name, _} <- model.objects, do: {name, nil})

  defp change(:empty, model, _ip, _pool) do
    delete? = Enum.random([true, false])
    for {name, object} <- model.objects, do: {name, if(delete?, do: nil, else: %{object | members: %{}})}
  end

  defp change(:replace, %{source: :pods} = model, ip, pool) do
    wanted = Map.new(subset(pool), &member/1)
    gone = for {name, _} <- model.objects, not is_map_key(wanted, name), do: {name, nil}
    Enum.shuffle(gone ++ Map.to_list(wanted)) ++ [member(ip)]
  end

  defp change(:replace, _model, _ip, pool) do
    for name <- @objects, do: {name, %{label: "app", members: Map.new(subset(pool), &{&1, :ready})}}
  end

  defp flip(model, ip, fun) do
    for {name, object} <- holders(model, ip), do: {name, with_member(object, ip, fun.(object.members[ip]))}
  end

  defp object(model, name), do: Map.get(model.objects, name, %{label: "app", members: %{}})
  defp holders(model, ip), do: for({name, %{members: %{^ip => _}} = object} <- model.objects, do: {name, object})
  defp with_member(object, ip, standing), do: put_in(object.members[ip], standing)
  defp without(%{source: :pods}, _object, _ip), do: nil
  defp without(_model, object, ip), do: %{object | members: Map.delete(object.members, ip)}

  defp some(model), do: Enum.take_random(model.objects, Enum.random(1..3))
  defp subset(pool), do: Enum.take_random(pool, Enum.random(0..length(pool)))
end
