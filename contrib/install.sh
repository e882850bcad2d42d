#!/bin/sh
# Puts everything in place below a root. Usage: install.sh DIRECTORY-OF-THE-BINARIES ROOT PREFIX DIRECTORY-OF-THE-UNITS
set -eu

bin=$1 root=$2 prefix=$3 units=$4
here=$(cd "$(dirname "$0")" && pwd)

install -D -m 0755 -t "$root$prefix/bin" "$bin/jockerd" "$bin/jocker"
install -D -m 0644 -t "$root$units" "$here/systemd/jockerd.socket"
sed "s|/usr/bin/jockerd|$prefix/bin/jockerd|" "$here/systemd/jockerd.service" |
    install -D -m 0644 /dev/stdin "$root$units/jockerd.service"
install -D -m 0644 -t "$root/usr/lib/sysusers.d" "$here/systemd/sysusers.d/jocker.conf"
install -d "$root$prefix/share/bash-completion/completions" "$root$prefix/share/man/man1" "$root$prefix/share/man/man8"
"$bin/jocker" completion bash > "$root$prefix/share/bash-completion/completions/jocker"
"$here/man.sh" "$bin/jocker" 1 'container engine client' > "$root$prefix/share/man/man1/jocker.1"
"$here/man.sh" "$bin/jockerd" 8 'container engine daemon' > "$root$prefix/share/man/man8/jockerd.8"
