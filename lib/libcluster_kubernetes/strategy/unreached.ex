defmodule LibclusterKubernetes.Strategy.Unreached do
  @moduledoc false
  # What is said of members that cannot be connected to, and when. Pure: `now` is monotonic milliseconds.
  #
  # A member that this node has missed for less than 15 s may have a VM that is still starting: no warning. After that
  # libcluster's own is said, once until it is connected. Where nobody can be connected to by then, or one stays away for a
  # minute, something is wrong that does not pass: one line names them, the likeliest reason, and `diagnose`.

  alias LibclusterKubernetes.Strategy.Dialing

  @booting 15_000
  @lasting 60_000

  # Of whom libcluster's warning was said, and who was named with a reason.
  defstruct warned: MapSet.new(), named: MapSet.new()

  @type name :: String.t()
  @type t :: %__MODULE__{warned: MapSet.t(name()), named: MapSet.t(name())}

  @spec new() :: t()
  def new, do: %__MODULE__{}

  @doc """
  Whether a try that fails is to be said by libcluster, whose warning names one node at a time. `alone?` says whether this
  node is connected to no member.
  """
  @spec aloud?(t(), Dialing.t(), name(), alone? :: (... -> boolean()), integer()) :: boolean()
  def aloud?(unreached, dialing, name, alone?, now) do
    Dialing.missed_for(dialing, name, now) >= @booting and not said?(unreached, name) and not alone?.()
  end

  @doc "libcluster has said it of this one."
  @spec warned(t(), name()) :: t()
  def warned(unreached, name), do: %{unreached | warned: MapSet.put(unreached.warned, name)}

  @doc "Whom to name now, with a reason; mostly nobody."
  @spec to_name(t(), Dialing.t(), alone? :: (... -> boolean()), integer()) :: {[name()], t()}
  def to_name(unreached, dialing, alone?, now) do
    tried = for {name, missed_for} <- Dialing.tried(dialing, now), missed_for >= @booting, do: {name, missed_for}
    new = for {name, missed_for} <- tried, name not in unreached.named, do: {name, missed_for}
    lasts? = Enum.any?(new, fn {_name, missed_for} -> missed_for >= @lasting end)
    names = if lasts? or (new != [] and alone?.()), do: Enum.sort(for {name, _missed_for} <- new, do: name), else: []
    {names, %{unreached | named: MapSet.union(unreached.named, MapSet.new(names))}}
  end

  @doc "Of whom it was said that they cannot be reached and who are connected all the same, so that this is said, too."
  @spec found(t(), connected :: MapSet.t(name()), Dialing.t()) :: [name()]
  def found(unreached, connected, dialing) do
    said = MapSet.union(unreached.warned, unreached.named)
    Enum.sort(for name <- said, name in connected, not Dialing.in_flight?(dialing, name), do: name)
  end

  @doc "This one is connected, or no longer wanted."
  @spec forget(t(), name()) :: t()
  def forget(unreached, name) do
    %{unreached | warned: MapSet.delete(unreached.warned, name), named: MapSet.delete(unreached.named, name)}
  end

  @doc "Those that are not missed any more, connected or not, are forgotten."
  @spec keep(t(), Dialing.t()) :: t()
  def keep(unreached, dialing) do
    missed = fn names -> for name <- names, Dialing.missed?(dialing, name), into: MapSet.new(), do: name end
    %{unreached | warned: missed.(unreached.warned), named: missed.(unreached.named)}
  end

  defp said?(unreached, name), do: name in unreached.warned or name in unreached.named
end
