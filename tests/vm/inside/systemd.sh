# systemd.sh - the driver by which systemd makes the groups: daemon and runtime.

mkdir -p /etc/jocker
echo '{"exec-opts": ["native.cgroupdriver=systemd"]}' > /etc/jocker/daemon.json
systemctl stop jockerd.socket jockerd.service
engine
check 'the driver is told' is "$(docker info --format '{{.CgroupDriver}}')" systemd

unit() { echo "jocker-$(shown "$1" '{{.Id}}').scope"; }
group() { echo "/sys/fs/cgroup/${slice:-system.slice}/$(unit "$1")"; }
property() { systemctl show --property "$2" --value "$(unit "$1")"; }
docker run -d --name scoped --memory 64m --memory-swap 64m --cpus 0.5 --cpuset-cpus 0 --pids-limit 50 --cpu-shares 512 \
    busybox sleep 1000
check 'a scope is there' is "$(property scoped ActiveState)" active
check 'it has the process' is "$(value scoped cgroup.procs)" "$(shown scoped '{{.State.Pid}}')"
check 'it is delegated' is "$(property scoped Delegate)" yes
check 'systemd knows the memory' is "$(property scoped MemoryMax)" $((64 << 20))
check 'systemd knows the quota' is "$(property scoped CPUQuotaPerSecUSec)" 500ms
check 'systemd knows the processors' is "$(property scoped AllowedCPUs)" 0
check 'systemd knows the processes' is "$(property scoped TasksMax)" 50
check 'memory.max' file_is scoped memory.max $((64 << 20))
check 'cpu.max' file_is scoped cpu.max '50000 100000'
check 'cpuset.cpus' file_is scoped cpuset.cpus 0
check 'update' docker update --memory 48m --memory-swap 48m --pids-limit 40 scoped
check 'update: systemd knows' is "$(property scoped MemoryMax) $(property scoped TasksMax)" "$((48 << 20)) 40"
check 'update: memory.max' file_is scoped memory.max $((48 << 20))
systemctl daemon-reload
check 'a reload of systemd changes nothing' is "$(value scoped memory.max) $(value scoped cpu.max)" "$((48 << 20)) 50000 100000"
check 'devices: a reload changes nothing' fails docker exec scoped sh -c 'mknod /tmp/disk b 254 0 && dd if=/tmp/disk of=/dev/null count=1'
check 'exec is in the group' is "$(docker exec scoped cat /proc/self/cgroup)" '0::/'
check 'pause' docker pause scoped
check 'pause: cgroup.freeze' file_is scoped cgroup.freeze 1
check 'unpause' docker unpause scoped
check 'stats' has "$(docker stats --no-stream --format '{{.MemUsage}}' scoped)" 48MiB
for round in 1 2 3; do check "restart $round" docker restart -t 0 scoped; done
check 'the daemon ends and comes back' systemctl restart jockerd.service
check 'the container goes on' running scoped
check 'it can still be entered' is "$(docker exec scoped echo in)" in
docker run --name hungry --memory 24m --memory-swap 24m busybox tail /dev/zero
check 'too much memory is a kill' is "$(shown hungry '{{.State.ExitCode}} {{.State.OOMKilled}}')" '137 true'
check 'and it can be started again' docker start hungry
docker run -d --name sliced --cgroup-parent mine-deep.slice busybox sleep 1000
slice=mine.slice/mine-deep.slice
check 'a slice that is asked for' is "$(value sliced cgroup.procs)" "$(shown sliced '{{.State.Pid}}')"
slice=
check 'a parent that is no slice is refused' fails docker create --cgroup-parent /mine busybox
check 'all are removed' docker rm -f scoped hungry sliced
no_scope() { [ -z "$(systemctl list-units --all --no-legend 'jocker-*.scope')" ]; }
check 'no scope is left' eventually no_scope

change '.linux.cgroupsPath = "system.slice:own:one" | .linux.resources = {"memory": {"limit": 50331648}}'
check 'runtime: a path is needed without the flag' fails timeout 20 jocker-runtime run --bundle $bundle none
check 'runtime: run' jocker-runtime --systemd-cgroup run --detach --bundle $bundle one < /dev/null
check 'runtime: MemoryMax' is "$(systemctl show --property MemoryMax --value own-one.scope)" 50331648
check 'runtime: update' jocker-runtime --systemd-cgroup update --memory 67108864 one
check 'runtime: update, MemoryMax' is "$(systemctl show --property MemoryMax --value own-one.scope)" 67108864
check 'runtime: exec' is "$(jocker-runtime --systemd-cgroup exec one cat /proc/self/cgroup)" '0::/'
check 'runtime: delete' jocker-runtime --systemd-cgroup delete --force one
gone() { ! systemctl is-active own-one.scope && [ ! -e /sys/fs/cgroup/system.slice/own-one.scope ]; }
check 'runtime: its scope is gone' eventually gone
