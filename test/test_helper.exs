alias LibclusterKubernetes.Test.Requirements

IO.puts(Requirements.libcluster())
{exclude, lines} = Requirements.excluded()
Enum.each(lines, &IO.puts/1)

ExUnit.start(exclude: exclude, capture_log: true, assert_receive_timeout: 5_000)
