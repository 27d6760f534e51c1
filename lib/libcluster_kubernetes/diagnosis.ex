defmodule LibclusterKubernetes.Diagnosis do
  @moduledoc """
  What `LibclusterKubernetes.diagnose/2` found: data, and as text a table.

  * `:topology` - its name.
  * `:node` - the name of this node, as text.
  * `:checks` - every `LibclusterKubernetes.Diagnosis.Check`, in the order of the way from this node's name to the
    connections. What depends on a step that failed is `:skipped`.
  * `:cause` - the first check that failed, or `nil`. Warnings are no cause.

  It implements `String.Chars` (`IO.puts/1`) and `Inspect`: a table as wide as the terminal, with colours where that has them,
  elsewhere of 80 columns. `to_text/2` makes it to measure, and `LibclusterKubernetes.to_map/1` what JSON takes. The token of
  the service account is in none of these, and in no field.
  """

  alias LibclusterKubernetes.Diagnosis.{
    Account,
    Answer,
    Check,
    Members,
    OwnName,
    Reaching,
    Role,
    Subject,
    Surroundings,
    Table,
    Together,
    Watch
  }

  alias LibclusterKubernetes.{Native, Options}

  @enforce_keys [:topology, :node, :checks]
  defstruct [:topology, :node, :checks, cause: nil]

  @type t :: %__MODULE__{topology: atom(), node: String.t(), checks: [Check.t()], cause: Check.t() | nil}

  @members 10
  @steps 12
  @timeout 5_000

  @doc false
  @spec run(atom(), Subject.t(), Surroundings.t(), keyword()) :: t()
  def run(topology, subject, surroundings, opts \\ []) do
    surroundings = %{surroundings | process: subject.process}
    checks = [subject.check | checks(topology, subject.options, surroundings, opts)]
    cause = Enum.find(checks, &(&1.status == :failed))
    %__MODULE__{topology: topology, node: surroundings.node, checks: checks, cause: cause}
  end

  @doc """
  The table. Options: `:columns` (default `80`), after which lines are broken, except for YAML and commands; `:colours`
  (default `false`).
  """
  @spec to_text(t(), columns: pos_integer(), colours: boolean()) :: String.t()
  def to_text(diagnosis, opts \\ []), do: Table.text(diagnosis, opts)

  defp checks(_topology, options, _surroundings, _opts) when options == nil or options.idle != nil, do: []

  defp checks(topology, options, surroundings, opts) do
    case probe(options) do
      {:ok, facts} ->
        if Account.no_pod?(facts, surroundings),
          do: [Account.no_pod(options)],
          else: Subject.running(topology, surroundings) ++ way(options, surroundings, facts, opts)

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

  defp way(options, surroundings, facts, opts) do
    checks =
      OwnName.checks(options, surroundings, facts) ++
        Account.checks(facts, surroundings) ++
        Reaching.checks(options, surroundings, facts) ++
        Role.checks(options, facts) ++
        [Watch.check(options, surroundings, facts) | Answer.checks(options, surroundings, facts)] ++
        Members.checks(
          surroundings,
          facts,
          Keyword.get(opts, :members, @members),
          Keyword.get(opts, :timeout, @timeout)
        )

    Together.weigh(checks, surroundings, facts)
  end

  defimpl String.Chars do
    def to_string(diagnosis), do: Table.text(diagnosis, Table.terminal())
  end

  defimpl Inspect do
    def inspect(diagnosis, _opts), do: "#LibclusterKubernetes.Diagnosis<\n#{diagnosis}\n>"
  end
end
