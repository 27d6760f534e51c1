# shellcheck shell=bash disable=SC2154,SC2034
# The image that bin/test-cluster runs in pods: the release of examples/hello_cluster with busybox and the libraries
# that they need, packed without Docker. Sourced after setup.sh, with `root` set to the repository:
#
#   image_build    builds what has changed, and sets `image` to the image's name, whose tag is made from its content, and
#                  `image_archive` to the file that holds it, as `docker save` would write it

image=
image_archive=

image_build() {
  [ "$(uname -s)" = Linux ] || setup_fail "the image is made from a release of this machine, which must be Linux"
  setup_tools busybox ldd tar sha256sum
  local folder="$CARGO_TARGET_DIR/test-cluster"
  mkdir -p "$folder"
  setup_build_alone image_make "$folder"
  image="$(cat "$folder/name")"
  image_archive="$folder/image.tar"
}

image_make() {
  local folder=$1 log="$1/build.log"
  if ! image_release "$folder/release" >"$log" 2>&1; then
    tail -n 30 "$log" >&2
    setup_fail "the release of examples/hello_cluster could not be built, see above and $log"
  fi
  image_root "$folder/release" "$folder/root"
  image_pack "$folder"
}

image_release() {
  (
    cd "$root/examples/hello_cluster" || exit
    unset "${!RELEASE_@}"
    setup_mix_env prod
    # A folder of its own, whose cookie stays.
    mix deps.get && mix release --overwrite --quiet --path "$1"
  )
}

# image_root RELEASE FOLDER: the root file system.
image_root() {
  local release=$1 folder=$2 file
  rm -rf "$folder"
  mkdir -p "$folder"/{app,bin,etc,lib,lib64,proc,sys,dev,tmp,usr/bin,usr/sbin,usr/lib/locale,var}
  chmod 1777 "$folder/tmp"
  cp -a "$release/." "$folder/app"
  # Of nothing but the node that a release runs.
  rm -rf "$folder/app/tmp"
  cp "$(command -v busybox)" "$folder/bin/busybox"
  for file in $(busybox --list); do
    [ "$file" = busybox ] || ln -s busybox "$folder/bin/$file"
  done
  ln -s /bin/env "$folder/usr/bin/env"
  # What the VM loads by name is in no file's list: the resolver, and the ways of /etc/nsswitch.conf.
  for file in $(image_libraries "$folder") $(image_loaded_by_name); do
    mkdir -p "$folder$(dirname "$file")"
    cp -L "$file" "$folder$file"
  done
  cp -rL /usr/lib/locale/C.utf8 "$folder/usr/lib/locale/"
  echo "hosts: files dns" >"$folder/etc/nsswitch.conf"
  echo "root:x:0:0:root:/:/bin/sh" >"$folder/etc/passwd"
}

# What ldd says of every program and library, as paths of this machine.
image_libraries() {
  find "$1" -type f \( -perm -u+x -o -name '*.so*' \) -exec ldd {} + 2>/dev/null |
    grep -oE '(=> |^[[:space:]]+)/[^ ]+' | grep -oE '/[^ ]+' | sort -u
}

image_loaded_by_name() {
  ldconfig -p | grep -oE '/[^ ]*/(libresolv\.so\.2|libnss_(dns|files)\.so\.2)$' | grep "$(uname -m)" | sort -u
}

# image_pack FOLDER: FOLDER/root as an archive, and its name. What is packed already is not packed again.
image_pack() {
  local folder=$1 layer config id
  tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -C "$folder/root" -cf "$folder/layer.tar" .
  layer="$(sha256sum "$folder/layer.tar" | cut -d' ' -f1)"
  if [ "$(cat "$folder/name" 2>/dev/null)" = "hello-cluster-test:${layer:0:12}" ] && [ -e "$folder/image.tar" ]; then
    rm -rf "$folder/root" "$folder/layer.tar"
    return
  fi
  rm -rf "$folder/root" "$folder/archive" "$folder/name"
  mkdir "$folder/archive"
  mv "$folder/layer.tar" "$folder/archive/layer.tar"
  config="$(printf '{"architecture":"%s","os":"linux","config":{"Cmd":["/app/bin/hello_cluster","start"],"Env":["PATH=/bin","LC_ALL=C.UTF-8"]},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]},"history":[]}' \
    "$(image_architecture)" "$layer")"
  id="$(printf %s "$config" | sha256sum | cut -d' ' -f1)"
  printf %s "$config" >"$folder/archive/$id.json"
  printf '[{"Config":"%s.json","RepoTags":["hello-cluster-test:%s"],"Layers":["layer.tar"]}]' "$id" "${layer:0:12}" \
    >"$folder/archive/manifest.json"
  tar -C "$folder/archive" -cf "$folder/image.tar" manifest.json "$id.json" layer.tar
  rm -rf "$folder/archive"
  echo "hello-cluster-test:${layer:0:12}" >"$folder/name"
}

image_architecture() {
  case "$(uname -m)" in
    x86_64) echo amd64 ;;
    aarch64) echo arm64 ;;
    *) setup_fail "no image for a machine of the kind $(uname -m)" ;;
  esac
}
