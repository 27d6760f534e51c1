alias LibclusterKubernetes.Test.Cluster.{Abilities, Kubectl}
alias LibclusterKubernetes.Test.Requirements

# bin/test-cluster sets it, and runs nothing but test/cluster.
cluster? = System.get_env("CLUSTER_IMAGE", "") != ""
if cluster?, do: Kubectl.start!()

IO.puts(Requirements.libcluster())
{exclude, lines} = if cluster?, do: Abilities.excluded(), else: Requirements.excluded()
Enum.each(lines, &IO.puts/1)

ExUnit.start(exclude: exclude, capture_log: true, assert_receive_timeout: 5_000)
