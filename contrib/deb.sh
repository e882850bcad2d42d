#!/bin/sh
# Makes a Debian package of binaries that are built.
# Usage: deb.sh DIRECTORY-OF-THE-BINARIES DIRECTORY-FOR-THE-PACKAGE [VERSION]
#
# An upgrade restarts the daemon and no container; a removal stops both, a purge takes the data, too.
set -eu

bin=$1 out=$2
here=$(cd "$(dirname "$0")" && pwd)
version=${3:-$(sed -n 's/^version = "\(.*\)"/\1/p' "$here/../Cargo.toml" | head -n 1)}
architecture=$(dpkg --print-architecture)
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
chmod 0755 "$root"

"$here/install.sh" "$bin" "$root" /usr /usr/lib/systemd/system
install -D -m 0644 -t "$root/usr/share/doc/jocker" "$here/../README.md" "$here/../CHANGELOG.md"
install -D -m 0644 "$here/../LICENSE" "$root/usr/share/doc/jocker/copyright"
size=$(du -k -s "$root" | cut -f 1)
install -d "$root/DEBIAN"
cat > "$root/DEBIAN/control" <<EOF
Package: jocker
Version: $version
Architecture: $architecture
Maintainer: The Jocker developers <jocker@localhost>
Installed-Size: $size
Section: admin
Priority: optional
Recommends: ca-certificates
Suggests: docker-cli
Description: container engine that speaks the Docker Engine API
 One daemon without dockerd, containerd, runc or docker-proxy behind it, and
 its client. Docker's own client and its SDKs drive it unchanged.
EOF
for script in preinst postinst prerm postrm; do
    install -m 0755 "$here/debian/$script" "$root/DEBIAN/$script"
done
mkdir -p "$out"
dpkg-deb --root-owner-group --build "$root" "$out/jocker_${version}_$architecture.deb"
