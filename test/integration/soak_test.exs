defmodule LibclusterKubernetes.SoakTest do
  # Counts the threads, descriptors, atoms and memory of the whole VM.
  use ExUnit.Case, async: false

  alias LibclusterKubernetes.Test.Soak

  @moduletag :linux
  @moduletag timeout: 120_000

  test "under random changes and faults the cluster is right at every quiet moment, and the VM stays level" do
    Soak.run(30_000, Soak.seed())
  end
end
