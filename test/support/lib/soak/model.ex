defmodule LibclusterKubernetes.Test.Soak.Model do
  @moduledoc """
  The truth of one topology, and what it allows. Pure: `now` is monotonic milliseconds.

  It judges by what was true at any moment since the last quiet one, so that no answer under way, however slow, is taken
  for a mistake. A node may be connected to if it was ready. It may be disconnected `disconnect_after` since it was
  absent, which a watch can tell at any time, if it was absent when lists could succeed, too. At a quiet moment what is
  connected must be what is true now, but for those whom no list may judge: it is empty, or more than half are missing.

  Each change is to be told before it is made on the server.
  """

  @enforce_keys [:source, :disconnect_after]
  defstruct @enforce_keys ++
              [
                objects: %{},
                was_ready: MapSet.new(),
                # Once connected: whose lost links are made again while they are in the answer, in any standing.
                met: MapSet.new(),
                absent_since: %{},
                could_be_missed: MapSet.new(),
                known: MapSet.new(),
                blocked?: false
              ]

  @type ip :: String.t()
  @type standing :: :ready | :not_ready | :draining | :finished
  @type object :: %{label: String.t(), members: %{ip() => standing()}}

  @label "app"

  def new(source, disconnect_after), do: %__MODULE__{source: source, disconnect_after: disconnect_after}

  @doc "Creates, replaces or (with `nil`) deletes an object."
  @spec put(%__MODULE__{}, String.t(), object() | nil, integer()) :: %__MODULE__{}
  def put(model, name, nil, now), do: observed(%{model | objects: Map.delete(model.objects, name)}, now)
  def put(model, name, object, now), do: observed(%{model | objects: Map.put(model.objects, name, object)}, now)

  @doc "From now on no list succeeds, or one may again."
  def blocked(model, blocked?, now), do: observed(%{model | blocked?: blocked?}, now)

  @doc "What was before is known to be over."
  def quiet(model) do
    met = MapSet.intersection(model.met, present(model))
    %{forget(model, present(model)) | was_ready: MapSet.union(ready(model), met), met: met}
  end

  @doc "It is connected, so that an answer named it: what follows from earlier ones no longer counts."
  def connected(model, ip) do
    forget(%{model | met: MapSet.put(model.met, ip)}, MapSet.intersection(MapSet.new([ip]), present(model)))
  end

  def may_connect?(model, ip), do: ip in model.was_ready or (ip in model.met and ip in model.known)

  def may_disconnect?(model, ip, now) do
    ip in model.could_be_missed and now - model.absent_since[ip] >= model.disconnect_after
  end

  @doc "Whether a list of now may decide about these, of whom all but the VM of the tests were once in an answer."
  def plausible?(model, connected) do
    present = present(model)
    missing = 1 + MapSet.size(MapSet.difference(connected, present))
    not Enum.empty?(present) and 2 * missing <= 1 + MapSet.size(connected)
  end

  @doc "Those to be connected."
  def ready(model), do: for({ip, :ready} <- standings(model), into: MapSet.new(), do: ip)

  @doc "Those to be kept, if they are connected."
  def present(model), do: for({ip, standing} <- standings(model), standing != :finished, into: MapSet.new(), do: ip)

  @doc "The object's body as the API has it."
  def body(%{source: :endpoints}, %{label: label, members: members}) do
    %{addresses: ready, notReadyAddresses: not_ready} =
      for standing <- [:ready, :not_ready], into: %{} do
        field = if standing == :ready, do: :addresses, else: :notReadyAddresses
        {field, for({ip, ^standing} <- members, do: %{ip: ip})}
      end

    %{metadata: %{labels: %{app: label}}, subsets: [%{addresses: ready, notReadyAddresses: not_ready}]}
  end

  def body(%{source: :endpoint_slices}, %{label: label, members: members}) do
    endpoints =
      for {ip, standing} <- members do
        %{addresses: [ip], conditions: %{ready: standing == :ready, terminating: standing == :draining}}
      end

    %{metadata: %{labels: %{app: label}}, addressType: "IPv4", endpoints: endpoints}
  end

  def body(%{source: :pods}, %{label: label, members: members}) do
    [{ip, standing}] = Map.to_list(members)
    deleted = if standing == :draining, do: %{deletionTimestamp: "2026-01-01T00:00:00Z"}, else: %{}
    phase = if standing == :finished, do: "Succeeded", else: "Running"
    ready = %{type: "Ready", status: if(standing == :not_ready, do: "False", else: "True")}

    %{
      metadata: Map.put(deleted, :labels, %{app: label}),
      status: %{phase: phase, podIP: ip, podIPs: [%{ip: ip}], conditions: [ready]}
    }
  end

  # Of two standings the better counts.
  defp standings(model) do
    for {_name, %{label: @label, members: members}} <- model.objects,
        {ip, standing} <- members,
        standing = counted(model.source, standing),
        reduce: %{} do
      best -> Map.update(best, ip, standing, &Enum.min_by([&1, standing], fn it -> rank(it) end))
    end
  end

  # The default of `kubernetes_include_not_ready`.
  defp counted(:pods, :not_ready), do: :ready
  defp counted(_source, standing), do: standing

  defp rank(standing), do: Enum.find_index([:ready, :not_ready, :draining, :finished], &(&1 == standing))

  defp observed(model, now) do
    present = present(model)
    known = MapSet.union(model.known, present)
    absent = MapSet.difference(known, present)
    missed = if model.blocked?, do: MapSet.new(), else: absent

    %{
      model
      | known: known,
        was_ready: MapSet.union(model.was_ready, ready(model)),
        absent_since: absent |> Map.new(&{&1, now}) |> Map.merge(model.absent_since),
        could_be_missed: MapSet.union(model.could_be_missed, missed)
    }
  end

  defp forget(model, ips) do
    %{
      model
      | absent_since: Map.drop(model.absent_since, MapSet.to_list(ips)),
        could_be_missed: MapSet.difference(model.could_be_missed, ips)
    }
  end
end
