defmodule LibclusterKubernetes.Diagnosis do
  @moduledoc """
  What `LibclusterKubernetes.diagnose/2` found: data, and as text a table.

  * `:topology` - its name.
  * `:node` - the name of this node, as text.
  * `:checks` - every `LibclusterKubernetes.Diagnosis.Check`, in the order of the way from this node's name to the
    connections. What depends on a step that failed is `:skipped`.
  * `:cause` - the first check that failed, or `nil`. Warnings are no cause.

  It implements `String.Chars` (`IO.puts/1`) and `Inspect`. The token of the service account is in neither, and in no field.
  """

  alias LibclusterKubernetes.Diagnosis.{Account, Answer, Check, Members, OwnName, Reaching, Role, Surroundings, Table}
  alias LibclusterKubernetes.{Native, Options}

  @enforce_keys [:topology, :node, :checks]
  defstruct [:topology, :node, :checks, cause: nil]

  @type t :: %__MODULE__{topology: atom(), node: String.t(), checks: [Check.t()], cause: Check.t() | nil}

  @members 10
  @steps 12
  @timeout 5_000

  @doc false
  # `first` is what was found of the options, which are `nil` where there are none to go on with.
  @spec run(atom(), {Options.t() | nil, Check.t()}, Surroundings.t(), keyword()) :: t()
  def run(topology, {options, first}, surroundings, opts \\ []) do
    checks = [first | checks(options, surroundings, opts)]
    cause = Enum.find(checks, &(&1.status == :failed))
    %__MODULE__{topology: topology, node: surroundings.node, checks: checks, cause: cause}
  end

  defp checks(options, _surroundings, _opts) when options == nil or options.idle != nil, do: []

  defp checks(options, surroundings, opts) do
    case probe(options) do
      {:ok, facts} ->
        checks(options, surroundings, facts, opts)

      {:error, "kubernetes_master " <> _ = reason} ->
        [Check.failed(:address, reason, "Set kubernetes_master to a host name, or https://host[:port].")]

      {:error, reason} ->
        [Check.failed(:library, reason, "The log and the guide \"Operating\" say more under :library.")]
    end
  end

  # Each of its steps may take as long as a request.
  defp probe(options) do
    limit = @steps * options.values.kubernetes_request_timeout

    with {:ok, {question, ref}} <- options |> Options.to_native() |> Native.probe(self()) do
      receive do
        {:libcluster_kubernetes, ^ref, {:probe, facts}} -> {:ok, facts}
      after
        limit ->
          Native.stop(question)
          {:error, "no answer of the library within #{limit} ms"}
      end
    end
  end

  defp checks(options, surroundings, facts, opts) do
    OwnName.checks(options, surroundings, facts) ++
      Account.checks(facts, surroundings) ++
      Reaching.checks(options, surroundings, facts) ++
      Role.checks(options, facts) ++
      Answer.checks(options, surroundings, facts) ++
      Members.checks(surroundings, facts, Keyword.get(opts, :members, @members), Keyword.get(opts, :timeout, @timeout))
  end

  defimpl String.Chars do
    def to_string(diagnosis), do: Table.text(diagnosis)
  end

  defimpl Inspect do
    def inspect(diagnosis, _opts), do: "#LibclusterKubernetes.Diagnosis<\n#{Table.text(diagnosis)}\n>"
  end
end
