# shellcheck shell=bash disable=SC2154
# Debians in folders, with the Elixir and OTP that they have, for the scripts of bin/. Sourced after setup.sh, with
# `root` set to the repository; needs root, debootstrap, and Rust from rustup.
#
#   debian_setup SUITE [VARIANT]    makes it where it is missing, from the mirror that this machine's apt uses: `trixie` is
#                                   Debian 13 with Elixir 1.18 on OTP 27, `sid` what is newest. A variant has a folder of its
#                                   own, SUITE-VARIANT: `bare` is without anything, `arm64` runs through qemu,
#                                   `musl` and `musl-arm64` have that libc, too
#   debian_copy FOLDER              copies the repository into it, as /repo, without what was built
#   debian_run FOLDER COMMAND...    runs COMMAND there in /repo, with the Rust toolchain, crates and KUBEBUILDER_ASSETS of here

debian_packages=elixir,erlang-dev,erlang-nox,gcc,libc6-dev,curl,ca-certificates,git,iproute2,libfaketime,procps,elixir-ex-doc

debian_folder() { echo "${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/libcluster_kubernetes/debian-$1"; }

debian_setup() {
  local suite="$1" debian mirror packages="$debian_packages" options=()
  # Debian 12 has no ex_doc.
  if [ "$suite" = bookworm ]; then packages="${packages%,elixir-ex-doc}"; fi
  if [[ "${2:-}" = musl* ]]; then packages+=,musl; fi
  debian="$(debian_folder "$suite${2:+-$2}")"
  [ "$(id -u)" = 0 ] || setup_fail "chroot and mount need root"
  if [[ "${2:-}" = *arm64 ]]; then options+=(--arch=arm64) && debian_qemu; fi
  if [ "${2:-}" != bare ]; then options+=("--include=$packages"); fi
  setup_has debootstrap || setup_install debootstrap
  if [ -d "$debian" ]; then return; fi

  mirror="$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | grep -m1 '/debian/*$')"
  echo "making a Debian $suite in $debian"
  # Another run may be at it, with /proc mounted in there.
  rm -rf --one-file-system "$debian.part"
  mkdir -p "$debian.part"
  if ! debootstrap --variant=minbase "${options[@]}" "$suite" "$debian.part" "$mirror" >"$debian.log" 2>&1; then
    tail -n 20 "$debian.log" >&2
    setup_fail "debootstrap failed, see above and $debian.log"
  fi
  echo "127.0.0.1 localhost" >"$debian.part/etc/hosts"
  mv "$debian.part" "$debian"
}

# From now on programs for arm64 run through qemu, on the whole machine, and in any folder (F).
debian_qemu() {
  local formats=/proc/sys/fs/binfmt_misc
  # What an ELF file for it begins with, and which bits of that count.
  local magic='\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00'
  local mask='\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'
  [ -e "$formats/register" ] || mount -t binfmt_misc binfmt_misc "$formats"
  if [ -e "$formats/qemu-aarch64" ]; then return; fi
  setup_has qemu-aarch64-static || setup_install qemu-user-static
  # Its package may have done it.
  if [ -e "$formats/qemu-aarch64" ]; then return; fi
  printf '%s' ":qemu-aarch64:M::$magic:$mask:$(command -v qemu-aarch64-static):F" >"$formats/register"
}

debian_copy() {
  local debian
  debian="$(debian_folder "$1")"
  rm -rf "$debian/repo.new"
  mkdir -p "$debian/repo.new"
  git -C "$root" ls-files -z --cached --others --exclude-standard | (
    cd "$root" || exit
    # Without files that are deleted, but not yet so in git.
    xargs -0 -r ls -d 2>/dev/null | tar -c -T - | tar -x -C "$debian/repo.new"
  )
  # What was built there stays, so that the next run is quicker.
  if [ -d "$debian/repo/_build" ]; then mv "$debian/repo/_build" "$debian/repo.new/"; fi
  rm -rf "$debian/repo"
  mv "$debian/repo.new" "$debian/repo"
}

debian_run() {
  local debian cargo_home="${CARGO_HOME:-$HOME/.cargo}" rustup_home="${RUSTUP_HOME:-$HOME/.rustup}"
  debian="$(debian_folder "$1")"
  shift
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
  ' bash "$debian" "$cargo_home" "$rustup_home" "${KUBEBUILDER_ASSETS:-}" "$@"
}
