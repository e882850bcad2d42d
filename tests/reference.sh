#!/bin/bash
# reference.sh - Debian's dockerd as the reference that black-box tests and benches compare with.
#   reference.sh fetch DIR    download and unpack (nothing is installed, nothing starts by itself)
#   reference.sh start DIR    start it in a network namespace of its own; socket: DIR/docker.sock
#   reference.sh stop DIR     stop it and remove its network namespace
#   reference.sh image DIR    import busybox:latest (and a few other tags of the same bytes)
#   reference.sh compose DIR  download and unpack docker compose v2 alone; prints where it is
# Then: JOCKER_TEST_HOST=unix://DIR/docker.sock cargo nextest run -p jocker-tests
# DIR must be absolute; root is needed. No test requires it: it is how a test is proven before ours must pass it.
set -euo pipefail

suite=${REFERENCE_SUITE:-trixie}
packages="docker.io containerd busybox-static bash-static"
own_packages="runc tini docker-registry skopeo"   # of the machine's own release: they run on its libraries

say() { echo "reference.sh: $*" >&2; }

mirror() {
  sed -n 's/^URIs: *//p' /etc/apt/sources.list.d/*.sources 2>/dev/null | grep -m1 '/debian/*$' && return
  sed -n 's/^deb \(\[[^]]*\] \)\?\([^ ]*debian\/*\) .*/\2/p' /etc/apt/sources.list | head -1
}

# Sets `o`: options of apt-get for the suite, apart from the machine's own.
suite_of() {
  local dir=$1 apt=$1/apt
  mkdir -p "$apt"/{state,lists/partial,cache/archives/partial} "$dir"/{debs,root}
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(mirror) $suite main" >"$apt/suite.list"
  o=(-q -o "Dir::Etc::SourceList=$apt/suite.list" -o Dir::Etc::SourceParts=/dev/null
    -o "Dir::State=$apt/state" -o "Dir::State::Lists=$apt/lists" -o Dir::State::status=/dev/null
    -o "Dir::Cache=$apt/cache" -o APT::Sandbox::User=root)
}

fetch() {
  local dir=$1 o
  [ -x "$dir/root/usr/sbin/dockerd" ] && return
  suite_of "$dir"
  (cd "$dir/debs" && apt-get "${o[@]}" update && apt-get "${o[@]}" download $packages)
  (cd "$dir/debs" && for p in $own_packages; do apt-get -q -o APT::Sandbox::User=root download "$p" || say "no package $p"; done)
  for deb in "$dir"/debs/*.deb; do dpkg -x "$deb" "$dir/root"; done
  say "unpacked into $dir/root"
}

compose() {
  local dir=$1 o plugin=$1/root/usr/libexec/docker/cli-plugins/docker-compose
  if [ ! -x "$plugin" ]; then
    suite_of "$dir"
    (cd "$dir/debs" && apt-get "${o[@]}" update && apt-get "${o[@]}" download docker-compose) >&2
    dpkg -x "$dir"/debs/docker-compose_*.deb "$dir/root"
  fi
  echo "$plugin"
}

path_of() { echo "$1/root/usr/bin:$1/root/usr/sbin:$1/root/usr/libexec/docker:$1/root/bin:$PATH"; }
netns_of() { echo "ref-$(printf %s "$1" | cksum | cut -d' ' -f1)"; }

start() {
  local dir=$1 netns; netns=$(netns_of "$1")
  fetch "$dir"
  if [ -S "$dir/docker.sock" ] && curl -sf --unix-socket "$dir/docker.sock" http://d/_ping >/dev/null; then say "runs already"; return; fi
  ip netns list | grep -q "^$netns\b" || ip netns add "$netns"
  ip -n "$netns" link set lo up
  rm -f "$dir/pid" "$dir/docker.sock"
  PATH=$(path_of "$dir") setsid nsenter "--net=/run/netns/$netns" dockerd -H "unix://$dir/docker.sock" --data-root "$dir/data" \
    --exec-root "$dir/exec" -p "$dir/pid" --bip 172.29.0.1/16 --init-path "$dir/root/usr/bin/tini-static" \
    --insecure-registry 127.0.0.1 >"$dir/dockerd.log" 2>&1 </dev/null &
  for _ in $(seq 300); do
    curl -sf --unix-socket "$dir/docker.sock" http://d/_ping >/dev/null && { say "DOCKER_HOST=unix://$dir/docker.sock (netns $netns)"; return; }
    sleep 0.2
  done
  say "dockerd did not answer; see $dir/dockerd.log"; exit 1
}

stop() {
  local dir=$1 pid; pid=$(cat "$dir/pid" 2>/dev/null || true)
  [ -n "$pid" ] && kill "$pid" 2>/dev/null && while [ -d "/proc/$pid" ]; do sleep 0.2; done
  ip netns del "$(netns_of "$dir")" 2>/dev/null || true
}

image() {
  local dir=$1 fs; fs=$(mktemp -d); trap "rm -rf '$fs'" EXIT
  mkdir -p "$fs"/{bin,etc,proc,sys,dev,tmp,root,usr/bin,sbin,var,home}; chmod 755 "$fs"; chmod 1777 "$fs/tmp"
  cp "$(PATH=$(path_of "$dir") command -v busybox)" "$fs/bin/busybox"
  for a in $("$fs/bin/busybox" --list); do [ "$a" = busybox ] || ln -s busybox "$fs/bin/$a"; done
  printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/home:/bin/false\n' >"$fs/etc/passwd"
  printf 'root:x:0:\nnobody:x:65534:\n' >"$fs/etc/group"
  export DOCKER_HOST=unix://$dir/docker.sock PATH; PATH=$PATH:$(path_of "$dir")
  tar -C "$fs" -c . | docker import -c 'CMD ["sh"]' -c 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' - busybox:latest
}

case "${1:-} ${2:-}" in
  "fetch /"*|"start /"*|"stop /"*|"image /"*|"compose /"*) [ "$(id -u)" = 0 ] || { say "root is needed"; exit 1; }; "$1" "$2" ;;
  *) sed -n '2,9p' "$0"; exit 2 ;;
esac
