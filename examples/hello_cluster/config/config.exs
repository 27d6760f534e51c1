import Config

# Everything about the cluster is known at run time only: see runtime.exs.
config :logger, :console, format: "$time [$level] $message\n"
