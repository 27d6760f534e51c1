defmodule LibclusterKubernetes.Strategy.Judging do
  @moduledoc false
  # How suspects are judged: by a consistent list of this moment, on a thread and a connection of its own, so that the
  # watch goes on undisturbed. `LibclusterKubernetes.Strategy.Judgement` is the rule.
  #
  #     suspects, or somebody asks this node to leave
  #          │
  #          ▼
  #     a list ──── failed, or not about this cluster ──▶ everybody stays, and that is said
  #          │
  #          ├── this node is gone ────▶ it leaves
  #          ├── others are gone ──────▶ they are asked to leave
  #          └── nobody is
  #
  # Whoever stays is suspected again later, and ever more rarely.

  alias LibclusterKubernetes.{Native, Options}
  alias LibclusterKubernetes.Strategy.{Departure, Job, Judgement, Log, Membership, State, Topologies}

  @enforce_keys [:list, :ref]
  defstruct [:list, :ref, suspects: [], askers: []]

  @typedoc "The list that is asked for, who is to be judged by it, and who waits for what follows from it."
  @type t :: %__MODULE__{
          list: Native.worker(),
          ref: reference(),
          suspects: [Membership.name()],
          askers: [Departure.asker()]
        }
  @typedoc "Why nobody was let go of by the last judgement, though somebody was suspected."
  @type held_back :: %{since: DateTime.t(), reason: reason(), members: [Membership.name()]}
  @type reason :: Judgement.reason() | {:failed, kind :: atom()}

  @doc "Asks for the list."
  @spec begin(State.t(), [Departure.asker()], now :: integer()) :: State.t()
  def begin(state, askers \\ [], now) do
    judging = %__MODULE__{list: nil, ref: nil, suspects: suspects(state, now), askers: askers}

    case state.options |> Options.to_native() |> Native.list(self()) do
      {:ok, {list, ref}} -> %{state | judging: %{judging | list: list, ref: ref}}
      {:error, text} -> conclude(state, judging, {:error, Native.library_error(text)}, now)
    end
  end

  defp suspects(state, now), do: Membership.suspects(state.membership, State.connected(state), now)

  @doc "Somebody who no longer finds this node asks it to leave. However many ask at the same time, there is one list."
  @spec asked(State.t(), Departure.asker(), now :: integer()) :: State.t()
  def asked(%{judging: nil} = state, asker, now) do
    cond do
      state.options.values.kubernetes_disconnect_after == :never -> answer(state, [asker], :stays)
      Job.runs?(state.jobs, [:leave]) -> answer(state, [asker], :left)
      # It has no list to judge by, and nobody to stay with.
      state.options.idle -> carry_out(state, :leave, MapSet.new(), [asker])
      true -> begin(state, [asker], now)
    end
  end

  def asked(%{judging: judging} = state, asker, _now) do
    %{state | judging: %{judging | askers: [asker | judging.askers]}}
  end

  defp answer(state, askers, verdict) do
    for {_node, tell} <- askers, do: tell.(verdict)
    state
  end

  @doc "Takes the list in, and does what follows from it."
  @spec heard(State.t(), {:ok, Native.snapshot()} | {:error, Native.error()}, now :: integer()) :: State.t()
  def heard(%{judging: judging} = state, answer, now), do: conclude(%{state | judging: nil}, judging, answer, now)

  # Whoever has become suspect since the list was asked for is judged by the next one.
  defp conclude(state, %{askers: askers} = judging, answer, now) do
    connected = Membership.members(state.membership, State.connected(state))
    suspects = for name <- suspects(state, now), name in judging.suspects, do: name
    verdict = verdict(answer, connected, if(askers == [], do: suspects, else: [self_name() | suspects]))

    state
    |> hold_back(verdict, suspects)
    |> carry_out(verdict, connected, askers)
    |> State.change(&Membership.postpone(&1, suspects, now))
  end

  defp verdict({:error, error}, _connected, _suspects), do: {:failed, error}
  defp verdict({:ok, list}, connected, suspects), do: Judgement.judge(list, self_name(), connected, suspects)

  defp self_name, do: Atom.to_string(node())

  # To leave the nodes of one topology only would be the partition that OTP ends by cutting more.
  defp carry_out(state, :leave, connected, askers) do
    state = State.change(state, &Membership.gone/1)

    if Topologies.stay?(Topologies.others()) do
      answer(state, askers, :stays)
    else
      # It cannot be said any more once it has left.
      state = answer(state, askers, :left)
      # Whoever is hidden and asks may be no member here.
      others = for {node, _tell} <- askers, into: connected, do: Atom.to_string(node)
      state |> State.change(&Membership.left/1) |> State.start({:leave, Enum.sort(others)})
    end
  end

  defp carry_out(state, {:ask, names}, _connected, askers) do
    state = answer(state, askers, :stays)

    case Topologies.let_go(state.held, names) do
      [] -> state
      names -> State.start(state, {:ask, names})
    end
  end

  defp carry_out(state, _nobody, _connected, askers), do: answer(state, askers, :stays)

  defp hold_back(state, _verdict, []), do: state
  defp hold_back(state, {:implausible, reason}, suspects), do: hold_back(state, reason, "", suspects)

  defp hold_back(state, {:failed, error}, suspects),
    do: hold_back(state, {:failed, error.kind}, error.message, suspects)

  defp hold_back(%{held_back: held_back} = state, _plausible, suspects) do
    case held_back && held_back.members -- suspects do
      still when still in [nil, []] -> %{state | held_back: nil}
      still -> %{state | held_back: %{held_back | members: still}}
    end
  end

  # Said when it begins, and when the reason becomes another one.
  defp hold_back(state, reason, text, suspects) do
    known = state.held_back || %{since: DateTime.utc_now(), reason: nil, members: []}
    if kind(known.reason) != kind(reason), do: Log.held_back(state.topology, reason, text, suspects)
    %{state | held_back: %{known | reason: reason, members: Enum.sort(Enum.uniq(known.members ++ suspects))}}
  end

  defp kind(reason) when is_tuple(reason), do: elem(reason, 0)
  defp kind(reason), do: reason
end
