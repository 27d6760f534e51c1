defmodule LibclusterKubernetes.Test.Demo.Breakage do
  @moduledoc "What can be broken on purpose, with the lines that break it and that mend it, typed in the demo's folder."

  alias LibclusterKubernetes.Test.Demo.{Files, Stage}

  # `says` is among the words in which diagnose names the cause then.
  @enforce_keys [:what, :break, :mend, :says]
  defstruct @enforce_keys

  @type t :: %__MODULE__{
          what: String.t(),
          break: String.t(),
          mend: String.t(),
          says: String.t()
        }

  @doc "All of them, as `asked` finds them: `victim` has another cookie then."
  @spec all(Stage.t(), asked :: Stage.pod(), victim :: Stage.pod()) :: [t()]
  def all(stage, asked, victim), do: [cookie(stage, victim), selector(stage), api(), role(stage, asked)]

  @doc "A node that the others do not trust. It leaves first, since links that are there already would stay."
  def cookie(stage, victim) do
    %__MODULE__{
      what: "A cookie: #{victim} has another one than the others; mended, it is back within a minute",
      break: ~s[./pod #{victim} rpc "Node.set_cookie(:another); #{leave()}"],
      mend: ~s[RELEASE_COOKIE=another ./pod #{victim} rpc "Node.set_cookie(:#{stage.cookie})"],
      says: "refuses the cookie"
    }
  end

  # A node that leaves by itself costs no other a link. OTP has that since 25.1.
  defp leave do
    if function_exported?(:global, :disconnect, 0),
      do: ":global.disconnect()",
      else: "Enum.each(Node.list(), &Node.disconnect/1)"
  end

  @doc "No Role binds this pod's account any more. Watches that are open would go on for up to an hour, and are ended."
  def role(stage, asked) do
    Files.write_body(stage, "no-role.json", Files.rights(asked, []))
    Files.write_body(stage, "role.json", Files.rights(asked))

    %__MODULE__{
      what: "A role: the service account of #{asked} may no longer list and watch",
      break: "./api PUT #{Files.rights_path(asked)} @no-role.json && ./api POST /watches/end",
      mend: "./api PUT #{Files.rights_path(asked)} @role.json",
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
      says: ~s(match kubernetes_selector "app=hello-cluster")
    }
  end

  @doc "Nobody listens on the API's port."
  def api do
    %__MODULE__{
      what: "The API: its port is closed, with every connection to it",
      break: "./api PUT /listening false",
      mend: "./api PUT /listening true",
      says: "refused"
    }
  end
end
