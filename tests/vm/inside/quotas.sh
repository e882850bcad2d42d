# quotas.sh - limits of what containers and volumes hold, on file systems that keep project quotas.

quota_daemon() {
    jockerd --host unix:///run/quota.sock --data-root "$1/lib" --exec-root /run/quota --pidfile /run/quota.pid \
        --bridge none > /tmp/quota.log 2>&1 &
    eventually docker -H unix:///run/quota.sock version
}
quota() { docker -H unix:///run/quota.sock "$@"; }
# kilobytes FILE: the length of a file in a container, as much as was written.
write() { echo "dd if=/dev/zero of=$1 bs=64k count=$2 2>/dev/null; echo \$(((\$(stat -c %s $1) + 1023) / 1024))"; }
less() { [ "$1" -lt "$2" ] || { echo "$1 is not less than $2"; return 1; }; }

truncate -s 300M /data/quota.ext4
mkfs.ext4 -q -F -O quota,project -E quotatype=prjquota /data/quota.ext4
gunzip -c /share/quota.xfs.gz > /data/quota.xfs
mkdir -p /mnt/quota
for kind in xfs ext4; do
    must "$kind: mounted" mount -o loop,prjquota /data/quota.$kind /mnt/quota
    must "$kind: a daemon on it" quota_daemon /mnt/quota
    must "$kind: an archive is loaded" quota load --input /share/busybox.tar
    check "$kind: less than the limit is written" is \
        "$(quota run --rm --network none --storage-opt size=10M busybox sh -c "$(write /file 64)")" 4096
    much=$(quota run --network none --name full --storage-opt size=10M busybox sh -c "$(write /file 320)")
    check "$kind: more is not" less "$much" $((10 * 1024 + 1))
    check "$kind: but what there is room for" more "$much" $((9 * 1024))
    check "$kind: it is shown" is "$(quota inspect --format '{{.HostConfig.StorageOpt.size}}' full)" 10M
    check "$kind: another one has its own" is \
        "$(quota run --rm --network none --storage-opt size=10M busybox sh -c "$(write /file 64)")" 4096
    check "$kind: one without a limit has none" is \
        "$(quota run --rm --network none busybox sh -c "$(write /file 320)")" 20480
    check "$kind: the log has no part in it" is "$(quota logs full)" "$much"
    check "$kind: it is committed" quota commit full image-of-full
    check "$kind: and removed" quota rm full
    check "$kind: a volume is limited" quota volume create --opt size=5M small
    much=$(quota run --rm --network none -v small:/v busybox sh -c "$(write /v/file 160)")
    check "$kind: more does not go into it" less "$much" $((5 * 1024 + 1))
    check "$kind: but what there is room for" more "$much" $((4 * 1024))
    check "$kind: it is removed" quota volume rm small
    check "$kind: no limit is wrong" has "$(quota create --storage-opt size=much busybox 2>&1)" "invalid size: 'much'"
    kill "$(cat /run/quota.pid)"
    eventually fails test -e /run/quota.pid
    check "$kind: nothing holds it" eventually umount /mnt/quota
done
