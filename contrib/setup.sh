#!/bin/sh
# Installs what a build or the tests need and the machine lacks. Usage: setup.sh build|test
set -eu

missing() {
    for package in "$@"; do
        dpkg-query --show --showformat '${db:Status-Abbrev}' "$package" 2>/dev/null | grep -q '^ii' || printf '%s ' "$package"
    done
}

install_packages() {
    wanted=$(missing "$@")
    [ -n "$wanted" ] || return 0
    [ "$(id -u)" = 0 ] || { echo "missing packages: $wanted(root installs them)" >&2; exit 1; }
    export DEBIAN_FRONTEND=noninteractive
    apt-get update --quiet=2
    # Services that packages bring must not start: the tests run their own, on ports of their own.
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' > "$policy"
        chmod 0755 "$policy"
        trap 'rm -f "$policy"' EXIT
    fi
    # shellcheck disable=SC2086
    apt-get install --quiet=2 --yes --no-install-recommends $wanted
}

case "${1:-}" in
build)
    command -v cargo >/dev/null || { echo 'cargo is missing: install Rust first (https://rustup.rs)' >&2; exit 1; }
    command -v cc >/dev/null || install_packages gcc libc6-dev
    ;;
test)
    "$0" build
    install_packages buildah busybox-static bzip2 ca-certificates conmon containerd curl docker-compose docker-registry e2fsprogs iproute2 iptables mmdebstrap mount nftables openssl podman procps runc skopeo systemd umoci xz-utils
    command -v cargo-nextest >/dev/null || cargo install --locked cargo-nextest
    ;;
*)
    echo 'usage: setup.sh build|test' >&2
    exit 2
    ;;
esac
