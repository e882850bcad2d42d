#!/bin/bash
# boot.sh PART... - runs inside the machine: installs the programs and units as a package would, then runs the parts.
set -u
cd /share/inside || exit 1
. ./check.sh

install -m 0755 /share/bin/* /usr/bin/
install -m 0644 /share/units/*.service /share/units/*.socket /etc/systemd/system/
install -D -m 0644 -t /usr/lib/sysusers.d /share/units/sysusers.d/jocker.conf
systemd-sysusers jocker.conf
mkdir -p /data/lib /var/lib/jocker
mount --bind /data/lib /var/lib/jocker
systemctl daemon-reload
export DOCKER_HOST=unix:///run/jocker.sock

for part in "$@"; do
    echo "-- $part ($(cut -d' ' -f1 /proc/uptime) s)"
    . "./$part.sh"
done
systemctl stop jockerd.socket jockerd.service
echo 'all parts were run'
end
