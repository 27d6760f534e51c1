defmodule LibclusterKubernetes.Options.SourceTest do
  use ExUnit.Case, async: true

  alias LibclusterKubernetes.Options.{Schema, Source}

  test "every source that the option takes has the resource and the group of its kind" do
    {:in, sources} = Schema.all()[:kubernetes_ip_lookup_mode][:type]

    assert Enum.map(sources, &{&1, Source.group(&1), Source.resource(&1)}) == [
             {:endpoints, "", "endpoints"},
             {:endpoint_slices, "discovery.k8s.io", "endpointslices"},
             {:pods, "", "pods"}
           ]
  end

  test "of a source that is none, nothing is guessed" do
    # Made here, as the types of Elixir 1.20 see through one that is written.
    unknown = String.to_atom("services")
    assert_raise FunctionClauseError, fn -> Source.resource(unknown) end
    assert_raise FunctionClauseError, fn -> Source.group(unknown) end
  end
end
