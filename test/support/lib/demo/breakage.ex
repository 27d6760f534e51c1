defmodule LibclusterKubernetes.Test.Demo.Breakage do
  @moduledoc "What can be broken on purpose, with the lines that break it and that mend it, typed in the demo's folder."

  alias LibclusterKubernetes.Test.Demo.{Files, Stage}

  @enforce_keys [:what, :break, :mend, :check, :says]
  # `check` is the check of diagnose that fails then, and `says` what it says, among other words.
  defstruct @enforce_keys

  @type t :: %__MODULE__{
          what: String.t(),
          break: String.t(),
          mend: String.t(),
          check: String.t(),
          says: String.t()
        }

  @doc "All of them, as `asked` finds them: `victim` has another cookie then."
  @spec all(Stage.t(), asked :: Stage.pod(), victim :: Stage.pod()) :: [t()]
  def all(stage, asked, victim), do: [cookie(stage, victim), role(stage, asked), selector(stage), api()]

  @doc "A node that the others do not trust. It leaves first, since links that are there already would stay."
  def cookie(stage, victim) do
    %__MODULE__{
      what: "A cookie: #{victim} has another one than the others",
      break: ~s(./pod #{victim} rpc "Node.set_cookie(:another\); :global.disconnect(\)"),
      mend: ~s(RELEASE_COOKIE=another ./pod #{victim} rpc "Node.set_cookie(:#{stage.cookie}\)"),
      check: "member",
      says: "refuses the cookie"
    }
  end

  @doc "No Role binds this pod's account any more. Watches that are open would go on for up to an hour, and are ended."
  def role(stage, asked) do
    Files.write_body(stage, "no-role.json", Files.rights(asked, []))
    Files.write_body(stage, "role.json", Files.rights(asked))

    %__MODULE__{
      what: "A role: the service account of #{asked} may no longer list and watch",
      break: "./api PUT #{Files.rights_path(asked)} @no-role.json && ./api POST /watches/end",
      mend: "./api PUT #{Files.rights_path(asked)} @role.json",
      check: "may_list",
      says: "forbidden"
    }
  end

  @doc "The labels of the EndpointSlice are those of its Service, and somebody changed them."
  def selector(stage) do
    Files.write_body(stage, "other-label.json", Files.slice(stage.running, %{app: "hello"}))
    Files.write_body(stage, "slice.json", Files.slice(stage.running))

    %__MODULE__{
      what: "A selector: the EndpointSlice has the label app=hello now, and kubernetes_selector is app=hello-cluster",
      break: "./api PUT #{Files.slice_path()} @other-label.json",
      mend: "./api PUT #{Files.slice_path()} @slice.json",
      check: "objects",
      says: "app=hello-cluster"
    }
  end

  @doc "Nobody listens on the API's port."
  def api do
    %__MODULE__{
      what: "The API: its port is closed, with every connection to it",
      break: "./api PUT /listening false",
      mend: "./api PUT /listening true",
      check: "tcp",
      says: "refused"
    }
  end
end
