# shellcheck shell=bash
# A Debian 13 (Elixir 1.18, OTP 27, ex_doc) in a folder, for bin/test-matrix and bin/docs. Sourced after setup.sh, with
# `root` set to the repository; needs root, debootstrap, and Rust from rustup.
#
#   debian13_setup            makes it where it is missing, from the mirror that this machine's apt uses
#   debian13_copy             copies the repository into it, as /repo, without what was built
#   debian13_run COMMAND...   runs COMMAND there in /repo, with the Rust toolchain, crates and KUBEBUILDER_ASSETS of here

debian13="${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/libcluster_kubernetes/debian-13"
debian13_packages=elixir,elixir-ex-doc,erlang-dev,erlang-nox,gcc,libc6-dev,curl,ca-certificates,git,iproute2,libfaketime,procps

debian13_setup() {
  [ "$(id -u)" = 0 ] || setup_fail "chroot and mount need root"
  setup_has debootstrap || setup_install debootstrap
  if [ -d "$debian13" ]; then return; fi

  local mirror
  mirror="$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | grep -m1 '/debian/*$')"
  echo "making a Debian 13 in $debian13"
  rm -rf "$debian13.part"
  mkdir -p "$debian13.part"
  if ! debootstrap --variant=minbase --include="$debian13_packages" trixie "$debian13.part" "$mirror" >"$debian13.log" 2>&1; then
    tail -n 20 "$debian13.log" >&2
    setup_fail "debootstrap failed, see above and $debian13.log"
  fi
  mv "$debian13.part" "$debian13"
}

debian13_copy() {
  rm -rf "$debian13/repo.new"
  mkdir -p "$debian13/repo.new"
  git -C "$root" ls-files -z --cached --others --exclude-standard | (
    cd "$root"
    # Without files that are deleted, but not yet so in git.
    xargs -0 -r ls -d 2>/dev/null | tar -c -T - | tar -x -C "$debian13/repo.new"
  )
  # What was built there stays, so that the next run is quicker.
  if [ -d "$debian13/repo/_build" ]; then mv "$debian13/repo/_build" "$debian13/repo.new/"; fi
  rm -rf "$debian13/repo"
  mv "$debian13/repo.new" "$debian13/repo"
}

debian13_run() {
  local cargo_home="${CARGO_HOME:-$HOME/.cargo}" rustup_home="${RUSTUP_HOME:-$HOME/.rustup}"
  [ -d "$rustup_home/toolchains" ] || setup_fail "no Rust toolchain of rustup in $rustup_home"
  cargo fetch --quiet --locked --manifest-path "$root/Cargo.toml"
  # The mounts are in a namespace of their own, and go with it, however this ends.
  unshare --mount --propagation private bash -euc '
    debian=$1 cargo_home=$2 rustup_home=$3 assets=$4
    shift 4
    # For `ip netns exec`, which wants / to be a mount point.
    mount --bind "$debian" "$debian"
    from() { mkdir -p "$debian$2"; mount --bind "$1" "$debian$2"; mount -o remount,bind,ro "$debian$2"; }
    from "$cargo_home" /root/.cargo
    from "$rustup_home" /root/.rustup
    [ -z "$assets" ] || from "$assets" /assets
    mount -t proc proc "$debian/proc"
    mount --rbind /sys "$debian/sys"
    mount --rbind /dev "$debian/dev"
    mount -t tmpfs tmpfs "$debian/run"
    exec chroot "$debian" /usr/bin/env -i HOME=/root LC_ALL=C.UTF-8 PATH=/root/.cargo/bin:/usr/sbin:/usr/bin:/sbin:/bin \
      CARGO_TARGET_DIR=/target CARGO_NET_OFFLINE=true ${assets:+KUBEBUILDER_ASSETS=/assets} \
      /bin/bash -euc "cd /repo; exec \"\$@\"" bash "$@"
  ' bash "$debian13" "$cargo_home" "$rustup_home" "${KUBEBUILDER_ASSETS:-}" "$@"
}
