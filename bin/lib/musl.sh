# shellcheck shell=bash disable=SC2154
# Erlang on musl, as Alpine has it: BEAM files do not depend on the libc, so that of a Debian only the emulator and the
# programs beside it are built anew. Sourced after debian.sh; needs the repository in the folder, and the zig that
# `bin/release build` has fetched.
#
#   musl_erts FOLDER TARGET    puts them into the folder, as /erlang-musl, where there are none of its version of Erlang.
#                              The emulator has no JIT, and cannot load a NIF that Debian has for glibc, such as crypto

musl_erts() {
  local name="$1" target="$2" debian version source log
  debian="$(debian_folder "$name")"
  source="$debian/erlang-source" log="$debian.erlang.log"
  version="$(dpkg-query --admindir="$debian/var/lib/dpkg" --show --showformat '${Version}' erlang-base)"
  if [ "$(cat "$debian/erlang-musl/version" 2>/dev/null)" = "$version" ]; then return; fi

  setup_tools make perl
  echo "building the emulator of Erlang $version for $target"
  rm -rf "$source" "$debian/erlang-musl"
  mkdir -p "$source"
  # shellcheck disable=SC2016 # Of the shell in the folder.
  debian_run "$name" bash -euc '
    sed "s/^deb /deb-src /" /etc/apt/sources.list >/etc/apt/sources.list.d/source.list
    apt-get -qq update
    cd /erlang-source && apt-get -qq source --download-only --tar-only "erlang=$1"' bash "$version" >"$log" 2>&1 || musl_failed "$log"
  tar --extract --directory "$source" --strip-components=1 --file "$source"/erlang_*.orig.tar.xz
  musl_build "$source" "$target" >>"$log" 2>&1 || musl_failed "$log"
  mv "$source/bin/$target" "$debian/erlang-musl"
  echo "$version" >"$debian/erlang-musl/version"
  rm -rf "$source"
}

musl_build() (
  cd "$1" || exit
  zig="$CARGO_TARGET_DIR/zig/bin/python -m ziglang" for=(-target "${2/-unknown/}" -dynamic)
  jobs="$(nproc)"
  # What configure would learn by running programs it takes for granted, also where it could run them. `zig cc -MM` does not
  # find its own headers; a build from nothing needs no dependencies.
  export ERL_TOP="$PWD" TARGET="$2" MAKEFLAGS="-j$jobs DEP_CC=true"
  ./configure --host="$2" --build="$(cc -dumpmachine)" --disable-jit --without-{termcap,ssl,javac,wx,odbc} \
    CC="$zig cc ${for[*]}" CXX="$zig c++ ${for[*]}" LD="$zig cc ${for[*]}" AR="$zig ar" RANLIB="$zig ranlib" &&
    make -C lib/erl_interface opt &&
    make emulator
)

musl_failed() {
  tail -n 20 "$1" >&2
  setup_fail "no emulator for musl, see above and $1"
}
