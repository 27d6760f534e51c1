defmodule LibclusterKubernetes.Diagnosis.TableTest do
  use ExUnit.Case, async: true

  alias LibclusterKubernetes.Diagnosis
  alias LibclusterKubernetes.Diagnosis.{Check, Table}
  alias LibclusterKubernetes.Test.YAML

  @node "app@10.0.0.1"

  defp text(checks, opts \\ []) do
    cause = Enum.find(checks, &(&1.status == :failed))
    Diagnosis.to_text(%Diagnosis{topology: :k8s, node: @node, checks: checks, cause: cause}, opts)
  end

  defp widest(text), do: text |> String.split("\n") |> Enum.map(&String.length/1) |> Enum.max()

  test "the cause first, then the checks with what to change" do
    assert text([Check.failed(:options, "it is wrong", "Do this:\n  key: value")]) == """
           Topology :k8s on app@10.0.0.1
           Cause: options: it is wrong

           FAILED  options      it is wrong
                                -> Do this:
                                     key: value\
           """
  end

  test "in iex and in strings it is the same" do
    diagnosis = %Diagnosis{topology: :k8s, node: @node, checks: [Check.ok(:options, "good")]}
    assert inspect(diagnosis) == "#LibclusterKubernetes.Diagnosis<\n#{diagnosis}\n>"
  end

  test "lines are broken between words, at 80 columns or as told, and YAML is left whole" do
    yaml = "  - " <> String.duplicate("long ", 40)
    checks = [Check.failed(:options, String.duplicate("word ", 50), "Set:\n#{yaml}\n" <> String.duplicate("more ", 50))]
    {[whole], broken} = checks |> text() |> String.split("\n") |> Enum.split_with(&(&1 =~ "long"))
    assert whole =~ yaml
    assert widest(Enum.join(broken, "\n")) in 75..80
    assert widest(String.replace(text(checks, columns: 100), whole, "")) in 95..100
  end

  test "commands that are wider than their column begin further to the left, all of them" do
    commands = ["  kubectl get #{String.duplicate("x", 58)}", "  kubectl get pods"]
    lines = [Check.failed(:objects, "no", Enum.join(["Compare:" | commands], "\n"))] |> text() |> String.split("\n")
    assert Enum.map(commands, &(String.duplicate(" ", 80 - 72) <> &1)) == Enum.take(lines, -2)
  end

  test "a name that is wider than its column stays whole, and one that is wider than the table does not" do
    name = "my_app@" <> String.duplicate("x", 60)
    text = text([Check.failed(:member, "refuses the cookie: #{name}", nil)])
    assert text =~ name
    assert widest(text) <= 80
    assert widest(text([Check.failed(:member, String.duplicate("x", 200), nil)])) == 80
  end

  test "what was skipped for one reason is one row" do
    skipped = for name <- [:tcp, :tls, :version], do: Check.skipped(name)
    text = text([Check.failed(:address, "no", nil)] ++ skipped ++ [Check.skipped(:member, "nobody")])
    assert text =~ "\nskipped tcp, tls, version: not reached, because of what failed before\n"
    assert text =~ "\nskipped member       nobody"
  end

  test "without a cause the first warning is named, and without that nothing is" do
    warning = Check.warning(:watch, "it ends at once", "Look.")
    assert text([Check.ok(:options, "good"), warning]) =~ "No check failed. The first warning is watch: it ends at once"
    assert text([Check.ok(:options, "good")]) =~ "on app@10.0.0.1\nNo check failed.\n"
  end

  test "what is to be applied stands below the table from column 0, once" do
    yaml = "kind: Role\nmetadata:\n  name: libcluster\n---\nkind: RoleBinding"
    apply = &%{Check.failed(&1, "may not", "Apply what is below.") | apply: yaml}
    [_, block] = [apply.(:may_list), apply.(:may_watch)] |> text() |> String.split("kubectl apply -f - <<'END'\n")
    [pasted, ""] = String.split(block, "\nEND")
    assert pasted == yaml
    assert [{%{"kind" => "Role"}, _}, {%{"kind" => "RoleBinding"}, _}] = YAML.documents!(pasted)
    refute text([Check.ok(:may_list, "may")]) =~ "apply"
  end

  test "colours are of the status, and change nothing else" do
    checks = [Check.ok(:options, "good"), Check.failed(:tcp, "no", "Do."), Check.skipped(:tls)]
    coloured = text(checks, colours: true)
    assert coloured =~ "#{IO.ANSI.red()}FAILED  #{IO.ANSI.reset()}"
    assert Regex.replace(~r/\e\[\d+m/, coloured, "") == text(checks)
  end

  describe "a terminal" do
    # The group leader of a process says how wide it is.
    defp on_terminal(columns) do
      leader = spawn_link(fn -> answer(columns) end)
      Task.await(Task.async(fn -> Process.group_leader(self(), leader) && Table.terminal() end))
    end

    defp answer(columns) do
      receive do
        {:io_request, from, ref, {:get_geometry, :columns}} -> send(from, {:io_reply, ref, columns})
      end
    end

    test "gives its width within limits; what is none gives nothing" do
      assert on_terminal(100)[:columns] == 100
      assert on_terminal(30)[:columns] == 60
      assert on_terminal(300)[:columns] == 120
      assert on_terminal({:error, :enotsup}) == []
    end
  end
end
