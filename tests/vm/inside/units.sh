# units.sh - the units of contrib/systemd: activation, readiness, and containers that outlive the daemon.

must 'the socket is started' systemctl start jockerd.socket
check 'the daemon is not yet' is "$(systemctl is-active jockerd.service)" inactive
check 'the socket has its mode and group' is "$(stat -c '%a %G' /run/jocker.sock)" '660 docker'
must 'the first client starts the daemon' docker version
check 'it has told that it is ready' is "$(systemctl is-active jockerd.service)" active
must 'an archive is loaded' docker load --input /share/busybox.tar
docker run -d --name going busybox sh -c 'i=0; while :; do i=$((i+1)); echo $i; sleep 1; done'
process=$(shown going '{{.State.Pid}}')
main() { systemctl show --property MainPID --value jockerd.service; }
members() { cat /sys/fs/cgroup/system.slice/jockerd.service/cgroup.procs; }
goes_on() { running going && is "$(shown going '{{.State.Pid}}')" "$process" && has "$(docker logs --tail 1 going)" ''; }
check 'nothing but the daemon is in its unit' is "$(members)" "$(main)"

before=$(main)
check 'restart' systemctl restart jockerd.service
check 'restart: another daemon' fails is "$(main)" "$before"
check 'restart: the container goes on' goes_on
check 'restart: it can be entered' is "$(docker exec going echo in)" in
check 'stop' systemctl stop jockerd.service
check 'stop: the container goes on' kill -0 "$process"
check 'start by the next client' goes_on
before=$(main)
check 'kill' systemctl kill -s KILL jockerd.service
replaced() { [ "$(main)" != "$before" ] && [ "$(main)" != 0 ]; }
check 'kill: systemd starts another' eventually replaced
check 'kill: the container goes on' eventually goes_on
check 'no process was left over' fails sh -c 'journalctl -u jockerd | grep -i "left-over\|remains running"'
check 'attached clients hear it still' has "$(timeout 5 docker logs -f --tail 1 going)" ''
check 'it is stopped' docker rm -f going

docker run --name journal --log-driver journald busybox sh -c 'echo out; echo err >&2'
check 'the journal has what a container says' has "$(journalctl -o cat CONTAINER_NAME=journal)" out
check 'it is read back' is "$(docker logs journal 2>/dev/null)" out
check 'streams are kept apart' is "$(docker logs journal 2>&1 >/dev/null)" err
check 'it is followed to its end' has "$(timeout 60 docker logs -f journal 2>&1)" err
check 'its container is removed' docker rm journal

check 'no daemon of ours failed' is "$(systemctl is-failed jockerd.service)" active
