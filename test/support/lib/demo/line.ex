defmodule LibclusterKubernetes.Test.Demo.Line do
  @moduledoc "A line that a node printed: what `HelloCluster.Greeter` says, with its time, or what the topology logs."

  @type pod :: String.t()
  @typedoc "`at` is in microseconds since 1970; `size` counts the node itself."
  @type event :: {:started, at :: integer()} | {:joined | :left, pod(), size :: pos_integer(), at :: integer()}
  @type t :: event() | {:log, level :: String.t(), text :: String.t()} | :other

  @event ~r/^hello_cluster@(\S+): (started|joined|left)(?: hello_cluster@(\S+))? \((\d+) in the cluster\) at (\d+)\.(\d{6})$/
  @log ~r/\[([a-z]+)\] \[libcluster:hello_cluster\] (.*)$/

  @doc "What this line says, which the node of this pod printed."
  @spec parse(pod(), String.t()) :: t()
  def parse(pod, line) do
    case {Regex.run(@event, line), Regex.run(@log, line)} do
      {[_, ^pod, event, other, size, seconds, fraction], nil} -> event(event, other, size, seconds <> fraction)
      {nil, [_, level, text]} -> {:log, level, text}
      _neither -> :other
    end
  end

  defp event("started", "", "1", at), do: {:started, String.to_integer(at)}

  defp event(event, other, size, at) when other != "" do
    {String.to_existing_atom(event), other, String.to_integer(size), String.to_integer(at)}
  end
end
