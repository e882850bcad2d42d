# groups.sh - limits on version 2: what is written, that it bites, and everything that reads the groups.

engine
must 'an archive is loaded' docker load --input /share/busybox.tar
check 'version 2 is seen' is "$(docker info --format '{{.CgroupVersion}} {{.CgroupDriver}}')" '2 cgroupfs'

disk=$(stat -c '%Hr:%Lr' /dev/vdc)
docker run -d --name limited --memory 64m --memory-swap 96m --memory-reservation 32m --cpus 0.5 --cpuset-cpus 0 \
    --pids-limit 50 --cpu-shares 512 --device-read-bps /dev/vdc:1mb --device-write-iops /dev/vdc:100 busybox sleep 1000
check 'memory.max' file_is limited memory.max $((64 << 20))
check 'memory.swap.max is the difference' file_is limited memory.swap.max $((32 << 20))
check 'memory.low' file_is limited memory.low $((32 << 20))
check 'cpu.max' file_is limited cpu.max '50000 100000'
check 'cpuset.cpus' file_is limited cpuset.cpus 0
check 'cpu.weight' file_is limited cpu.weight 59
check 'pids.max' file_is limited pids.max 50
check 'io.max' file_is limited io.max "$disk rbps=1048576 wbps=max riops=max wiops=100"

check 'update: command' docker update --memory 48m --memory-swap 48m --cpus 0.25 --pids-limit 40 --cpu-shares 2048 limited
check 'update: memory.max' file_is limited memory.max $((48 << 20))
check 'update: memory.swap.max' file_is limited memory.swap.max 0
check 'update: cpu.max' file_is limited cpu.max '25000 100000'
check 'update: pids.max' file_is limited pids.max 40
check 'update: other limits stay' file_is limited cpuset.cpus 0

weight=$(docker run -d --name weighed --blkio-weight 300 busybox sleep 1000 2>&1)
if [ -e /sys/fs/cgroup/system.slice/io.weight ]; then
    check 'io.weight' file_is weighed io.weight 'default 2930'
elif [ -e /sys/fs/cgroup/system.slice/io.bfq.weight ]; then
    check 'io.bfq.weight' file_is weighed io.bfq.weight 'default 300'
else
    check 'a weight that the kernel has not is told' has "$weight" 'Block I/O weight'
fi

docker run --name hungry --memory 24m --memory-swap 24m busybox tail /dev/zero
check 'too much memory is a kill' is "$(shown hungry '{{.State.ExitCode}} {{.State.OOMKilled}}')" '137 true'
forks=$(docker run --rm --pids-limit 5 busybox sh -c 'for i in 1 2 3 4 5 6 7 8; do sleep 3 & done; wait' 2>&1)
check 'too many processes are refused' has "$forks" fork
docker run -d --name busy --cpus 0.1 busybox sh -c 'while :; do :; done'
throttled() { more "$(value busy cpu.stat | sed -n 's/^nr_throttled //p')" 3; }
check 'a quota throttles' eventually throttled

check 'stats: memory limit' has "$(docker stats --no-stream --format '{{.MemUsage}} {{.PIDs}}' limited)" '48MiB 1'
check 'stats: a busy one' fails is "$(docker stats --no-stream --format '{{.CPUPerc}}' busy)" '0.00%'
check 'top' has "$(docker top limited)" 'sleep 1000'

check 'pause: command' docker pause busy
check 'pause: cgroup.freeze' file_is busy cgroup.freeze 1
check 'pause: it stands' has "$(value busy cgroup.events)" 'frozen 1'
check 'pause: it is shown' is "$(shown busy '{{.State.Status}}')" paused
check 'unpause: command' docker unpause busy
check 'unpause: cgroup.freeze' file_is busy cgroup.freeze 0

check 'cgroup namespace of its own' is "$(docker run --rm busybox cat /proc/self/cgroup)" '0::/'
seen=$(docker run --rm --name seen --cgroupns host busybox cat /proc/self/cgroup)
check 'cgroup namespace of the host' has "$seen" '0::/jocker/'
check 'its own limits are seen inside' is "$(docker run --rm -m 32m busybox cat /sys/fs/cgroup/memory.max)" $((32 << 20))
check 'control groups are read-only inside' fails docker run --rm busybox mkdir /sys/fs/cgroup/x
check 'a parent that is asked for' has "$(docker run --rm --cgroupns host --cgroup-parent /mine busybox cat /proc/self/cgroup)" '0::/mine/'

docker exec -d limited sleep 999
in_group() { local pid; for pid in $(value limited cgroup.procs); do grep -qz '^999$' "/proc/$pid/cmdline" && return; done; return 1; }
check 'exec joins the group' eventually in_group
check 'exec sees the namespace' is "$(docker exec limited cat /proc/self/cgroup)" '0::/'

docker run -d --name stragglers --pid host busybox sh -c 'for i in 1 2 3; do sleep 777 & done; sleep 777'
check 'stragglers: there are some' eventually is "$(pgrep -fc '^sleep 777')" 4
check 'stragglers: they end with their container' docker rm -f stragglers
check 'stragglers: none is left' fails pgrep -f '^sleep 777'

check 'all are removed' docker rm -f limited weighed hungry busy
nothing_left() { [ -z "$(find /sys/fs/cgroup/jocker /sys/fs/cgroup/mine -mindepth 1 -type d ! -name monitors)" ]; }
check 'no control group is left' eventually nothing_left
check 'no mount is left' fails grep -E 'overlay|containers/' /proc/mounts
check 'no link is left' is "$(ip -o link show type veth)" ''
