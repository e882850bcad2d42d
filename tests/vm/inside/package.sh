# package.sh - the Debian package: installed, upgraded under a running container, removed, installed again, purged.

# What the boot put in place goes: the package brings its own.
rm -f /usr/bin/jockerd /usr/bin/jocker /usr/bin/jocker-runtime /etc/systemd/system/jockerd.* /usr/lib/sysusers.d/jocker.conf
systemctl daemon-reload
version() { dpkg-query --show --showformat '${Version}' jocker; }
main() { systemctl show --property MainPID --value jockerd.service; }
going() { running going && is "$(shown going '{{.State.Pid}}')" "$process"; }
gone() { ! kill -0 "$process"; }

must 'it is installed' dpkg --install /share/packages/old.deb
check 'the socket is on, and will be' is "$(systemctl is-active jockerd.socket) $(systemctl is-enabled jockerd.socket)" 'active enabled'
check 'the socket has its mode and group' is "$(stat -c '%a %G' /run/jocker.sock)" '660 docker'
must 'an archive is loaded' docker load --input /share/busybox.tar
must 'a container runs' docker run -d --name going -p 8080:80 busybox sh -c 'trap exit TERM; i=0; while :; do i=$((i+1)); echo $i; sleep 1; done'
process=$(shown going '{{.State.Pid}}')

before=$(main) old=$(version)
must 'it is upgraded' dpkg --install /share/packages/new.deb
check 'upgrade: a newer version' fails is "$(version)" "$old"
check 'upgrade: another daemon' fails is "$(main)" "$before"
check 'upgrade: the container goes on' going
check 'upgrade: it can be entered' is "$(docker exec going echo in)" in
lines=$(docker logs going | wc -l)
writes() { more "$(docker logs going | wc -l)" "$lines"; }
check 'upgrade: its log goes on' eventually writes

must 'it is removed' dpkg --remove jocker
check 'removal: the container has ended' gone
check 'removal: nothing runs' fails pgrep -x 'jockerd.*'
check 'removal: there is no socket' fails test -e /run/jocker.sock
check 'removal: there is no bridge' fails ip link show jocker0
check 'removal: no program' fails test -e /usr/bin/jockerd
check 'removal: data stay' test -s /var/lib/jocker/jocker.db

must 'it is installed again' dpkg --install /share/packages/new.deb
check 'what was there is there' is "$(shown going '{{.State.Status}}')" exited
check 'and starts' docker start going
process=$(shown going '{{.State.Pid}}')

must 'it is purged' dpkg --purge jocker
check 'purge: the container has ended' gone
check 'purge: no data' is "$(ls -A /var/lib/jocker 2> /dev/null)" ''
check 'purge: nothing below /run' fails ls -d /run/jocker /run/jocker.sock
check 'purge: no mount' fails grep -q 'jocker/containers' /proc/self/mountinfo
check 'purge: no group of ours' fails ls -d /sys/fs/cgroup/jocker
