# runtime.sh - the command line of the OCI runtime on version 2: unified resources, pause, update, delete.

bundle=/tmp/bundle
mkdir -p $bundle/rootfs/bin $bundle/rootfs/proc $bundle/rootfs/dev $bundle/rootfs/sys
docker create --name source busybox > /dev/null
tar -xOf /share/busybox.tar ./manifest.json | jq -r '.[0].Layers[0]' > /tmp/layer
tar -xOf /share/busybox.tar "./$(cat /tmp/layer)" | tar -x -C $bundle/rootfs
docker rm source > /dev/null
(cd $bundle && jocker-runtime spec)

# bundle FILTER: changes the bundle's config.json by jq.
change() { jq "$1" $bundle/config.json > /tmp/config.json && cp /tmp/config.json $bundle/config.json; }
change '.process.terminal = false | .process.args = ["sleep", "1000"] | .linux.cgroupsPath = "/own/one"
    | .linux.resources.unified = {"memory.high": "50331648", "pids.max": "33", "cpu.weight": "77"}'
own=/sys/fs/cgroup/own/one
check 'run' jocker-runtime run --detach --bundle $bundle one < /dev/null
check 'unified: memory.high' is "$(cat $own/memory.high)" 50331648
check 'unified: pids.max' is "$(cat $own/pids.max)" 33
check 'unified: cpu.weight' is "$(cat $own/cpu.weight)" 77
check 'update' jocker-runtime update --memory 67108864 --pids-limit 44 one
check 'update: memory.max' is "$(cat $own/memory.max)" 67108864
check 'pause' jocker-runtime pause one
check 'pause: state' is "$(jocker-runtime state one | jq -r .status)" paused
check 'resume' jocker-runtime resume one
check 'exec' is "$(jocker-runtime exec one cat /proc/self/cgroup)" '0::/'
check 'ps' has "$(jocker-runtime ps one)" 'sleep 1000'
check 'events' is "$(jocker-runtime events --stats one | jq -r .data.pids.limit)" 44
check 'delete' jocker-runtime delete --force one
check 'its group is gone' fails test -e $own
