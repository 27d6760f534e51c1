defmodule LibclusterKubernetes.Test.Clock do
  @moduledoc """
  A wall clock that jumps, for one process of the system: libfaketime. Its monotonic clock goes on as ever.
  """

  @doc "Where libfaketime is, or `nil`."
  def library do
    Enum.find_value(["/usr/lib/*-linux-gnu/faketime", "/usr/lib*/faketime", "/usr/local/lib/faketime"], fn folder ->
      List.first(Path.wildcard("#{folder}/libfaketime.so.1"))
    end)
  end

  @doc "The environment of a process with the clock that this file sets."
  def environment(file) do
    jump(file, 0)

    for {name, value} <- [
          {"LD_PRELOAD", library()},
          {"FAKETIME_TIMESTAMP_FILE", file},
          {"FAKETIME_NO_CACHE", "1"},
          {"FAKETIME_DONT_FAKE_MONOTONIC", "1"}
        ],
        do: {to_charlist(name), to_charlist(value)}
  end

  @doc "From now on the clock is that many seconds ahead of the right time, or behind it."
  def jump(file, seconds) do
    # At once: it is read whenever the time is.
    File.write!(file <> ".new", "#{if seconds >= 0, do: "+"}#{seconds}\n")
    File.rename!(file <> ".new", file)
  end
end
