defmodule LibclusterKubernetes.Diagnosis.Check do
  @moduledoc """
  One thing that `LibclusterKubernetes.diagnose/1` looked at.

  * `:name` - what was looked at, one of the atoms in the guide "Diagnose", such as `:may_list`.
  * `:status` - `:ok`; `:warning` for what works but not as it should; `:failed`; `:skipped` where it was not looked at.
  * `:found` - one sentence or two of what is there.
  * `:remedy` - what to change; `nil` where nothing is.
  * `:apply` - the YAML for `kubectl apply -f -`, where something is to be applied; else `nil`.
  * `:data` - what was found, for programs.
  """

  @enforce_keys [:name, :status, :found]
  defstruct [:name, :status, :found, remedy: nil, apply: nil, data: %{}]

  @type status :: :ok | :warning | :failed | :skipped
  @type t :: %__MODULE__{
          name: atom(),
          status: status(),
          found: String.t(),
          remedy: String.t() | nil,
          apply: String.t() | nil,
          data: map()
        }

  @doc false
  def ok(name, found, data \\ %{}), do: %__MODULE__{name: name, status: :ok, found: found, data: data}

  @doc false
  def warning(name, found, remedy, data \\ %{}) do
    %__MODULE__{name: name, status: :warning, found: found, remedy: remedy, data: data}
  end

  @doc false
  def failed(name, found, remedy, data \\ %{}) do
    %__MODULE__{name: name, status: :failed, found: found, remedy: remedy, data: data}
  end

  @doc false
  def skipped(name, why \\ "not reached, because of what failed before"),
    do: %__MODULE__{name: name, status: :skipped, found: why}
end
