# shellcheck shell=bash
# What bin/demo and bin/test need before they can build. Sourced, with `root` set to the repository:
#
#   setup_tools [COMMAND...]      installs from the system's packages what is missing, also these commands, whose packages
#                                 are called as they are; ends the script if it cannot
#   setup_cargo                   finds cargo, or ends the script
#   setup_environment             where builds go, so that the NIF is compiled once for all who source this
#   setup_mix_env ENV             the Mix environment of the project in this folder
#   setup_build_alone COMMAND...  runs COMMAND while nobody else builds in this repository

setup_fail() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

setup_tools() {
  local packages=() tool
  setup_has elixir mix erl || packages+=(elixir erlang-dev erlang-nox)
  setup_has cc || packages+=(gcc libc6-dev)
  setup_has curl || packages+=(curl ca-certificates)
  for tool in "$@"; do
    setup_has "$tool" || packages+=("$tool")
  done
  if ((${#packages[@]})); then setup_install "${packages[@]}"; fi

  setup_cargo
}

setup_cargo() {
  # rustup puts cargo here; a shell that did not read the user's profile does not know.
  setup_has cargo || PATH="$PATH:${CARGO_HOME:-${HOME:-}/.cargo}/bin"
  setup_has cargo || setup_fail "cargo is missing: install Rust, for example from https://rustup.rs"
}

setup_environment() {
  CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$root/target}"
  [[ "$CARGO_TARGET_DIR" = /* ]] || CARGO_TARGET_DIR="$PWD/$CARGO_TARGET_DIR"
  export CARGO_TARGET_DIR PATH
  # Nothing that these scripts build goes anywhere, so libcluster's stand-in will do (mix.exs).
  export LIBCLUSTER_KUBERNETES_STAND_IN=1
  # Without UTF-8 every VM that starts prints a warning.
  case "${LC_ALL:-${LC_CTYPE:-${LANG:-}}}" in
    *[Uu][Tt][Ff]*8) ;;
    *) export LC_ALL=C.UTF-8 ;;
  esac
}

setup_mix_env() {
  export MIX_ENV=$1
  # What was compiled against one libcluster is not for another.
  if [ -n "${ERL_LIBS:-}" ]; then export MIX_BUILD_PATH="$PWD/_build/$1-erl_libs"; fi
}

setup_build_alone() {
  mkdir -p "$CARGO_TARGET_DIR"
  (
    if setup_has flock && ! flock --nonblock 9; then
      echo "another build runs in this repository, waiting for it" >&2
      flock 9
    fi
    "$@" 9>&-
  ) 9>"$CARGO_TARGET_DIR/.setup-build-lock"
}

setup_has() {
  local tool
  for tool in "$@"; do
    command -v "$tool" >/dev/null || return 1
  done
}

setup_install() {
  local apt=(env DEBIAN_FRONTEND=noninteractive apt-get) log
  setup_has apt-get ||
    setup_fail "missing, and there is no apt-get to install it with: $*. Install Elixir 1.13 or later, Erlang/OTP 24 or later, a C compiler and curl, and try again"

  if [ "$(id -u)" != 0 ]; then
    if ! setup_has sudo || ! sudo -n true 2>/dev/null; then
      setup_fail "packages are missing, and this user may not install them. As root: apt-get update && apt-get install $*"
    fi
    apt=(sudo -n "${apt[@]}")
  fi

  echo "installing with apt-get: $*"
  log="$(mktemp)"
  if ! setup_apt "${apt[@]}" -- "$@" </dev/null >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    rm -f "$log"
    setup_fail "apt-get could not install $*, see above"
  fi
  rm -f "$log"
  hash -r
}

# setup_apt APT-GET... -- PACKAGE...
setup_apt() {
  local apt=()
  while [ "$1" != -- ]; do
    apt+=("$1")
    shift
  done
  shift
  apt+=(-qq -o DPkg::Lock::Timeout=120)
  # Lists that are partly out of date still serve; what matters is whether the packages come.
  "${apt[@]}" update || echo "apt-get update failed, trying with the lists that are there"
  "${apt[@]}" install -y --no-install-recommends "$@"
}
