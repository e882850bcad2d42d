#!/bin/bash
# run.sh - tries what needs a machine of its own: control groups of version 2, systemd as process 1, power cuts,
# the Debian package, disk quotas.
#   run.sh RUNNER BINARIES [BOOT...]
# BINARIES holds static jockerd, jocker and jocker-runtime. BOOTs are the names of functions below; all in order if none is named.
# Debian's xfsprogs are needed here.
#
# RUNNER boots a machine of systemd, the unified control group hierarchy and a kernel from 6.1 on, as
#   VM_SHARE=DIR VM_DATA=FILE RUNNER run COMMAND
# The machine sees a copy of DIR read-only at /share and the raw disk FILE, made when it is missing and kept between boots, at
# /data; it runs COMMAND as root, prints what it prints, and powers off. Its root file system is fresh in every boot. A machine
# that resets itself (sysrq b) just ends: a power cut. It needs bash, coreutils, jq, iproute2 and procps; no network.
set -euo pipefail

[ $# -ge 2 ] || { sed -n '2,13p' "$0"; exit 2; }
runner=$1 binaries=$2
shift 2
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

share() {
    mkdir -p "$work/share/bin"
    cp "$binaries"/{jockerd,jocker,jocker-runtime} "$work/share/bin/"
    cp "$(command -v docker)" "$work/share/bin/docker"
    cp -r "$here/inside" "$work/share/inside"
    cp -r "$root/contrib/systemd" "$work/share/units"
    "$here/image.sh" busybox:latest 0 > "$work/share/busybox.tar"
    for name in first second third; do
        "$here/image.sh" "$name:latest" 6 > "$work/share/$name.tar"
    done
}

# boot CUT PART...: one boot of parts of inside/; CUT says whether it ends in a power cut.
boot() {
    local cut=$1 status=0
    shift
    echo "== boot: $*"
    VM_SHARE=$work/share VM_DATA=$work/data.img "$runner" run "bash /share/inside/boot.sh $*" 2>&1 |
        sed -u 's/\r$//' | tee "$work/log" || status=$?
    if grep -q '^FAIL' "$work/log"; then failed=1; fi
    if ! grep -q '^all parts were run$' "$work/log"; then echo "FAIL the boot ended before its parts"; failed=1; fi
    if [ "$cut" = 0 ] && [ "$status" != 0 ]; then echo "FAIL the machine ended with $status"; failed=1; fi
}

groups() { boot 0 groups devices runtime systemd; }
units() { boot 0 units; }
quotas() {
    truncate -s 300M "$work/quota.xfs"
    mkfs.xfs -q "$work/quota.xfs"
    gzip -c "$work/quota.xfs" > "$work/share/quota.xfs.gz"
    boot 0 quotas
}
package() {
    for version in old new; do
        "$root/contrib/deb.sh" "$binaries" "$work/$version" $([ $version = old ] || echo 99.0)
        install -D -m 0644 "$work/$version"/*.deb "$work/share/packages/$version.deb"
    done
    boot 0 package
}
cuts() {
    rm -f "$work/data.img"
    boot 1 prepare cut-in-load
    boot 1 after-cut cut-after-load
    boot 0 after-load
}

failed=0
share
for name in ${@:-groups units quotas package cuts}; do
    "$name"
done
[ "$failed" = 0 ] && echo 'every check passed'
exit "$failed"
