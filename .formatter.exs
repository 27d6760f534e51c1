[
  # test/support/libcluster and the examples are projects of their own.
  inputs: [
    "{mix,.formatter}.exs",
    "{config,lib,bench}/**/*.{ex,exs}",
    "test/*.exs",
    "test/{cluster,guides,integration,libcluster_kubernetes,mix}/**/*.exs",
    "test/support/lib/**/*.ex"
  ],
  line_length: 120
]
