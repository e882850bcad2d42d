# devices.sh - device rules of version 2, which are a program that the kernel asks.

first=$(stat -c 'b %Hr %Lr' /dev/vda)
check 'a node can be made' docker run --rm busybox mknod /tmp/disk $first
refused=$(docker run --rm busybox sh -c "mknod /tmp/disk $first; dd if=/tmp/disk of=/dev/null count=1" 2>&1)
check 'a device that is not given is refused' has "$refused" 'not permitted'
check 'usual devices work' docker run --rm busybox sh -c 'dd if=/dev/zero of=/dev/null count=1 && head -c 4 /dev/urandom > /dev/full || true'
check 'a device that is given is read' docker run --rm --device /dev/vdb:/dev/disk:r busybox dd if=/dev/disk of=/dev/null count=1
written=$(docker run --rm --device /dev/vdb:/dev/disk:r busybox sh -c ': >> /dev/disk' 2>&1)
check 'and not written' has "$written" 'not permitted'
check 'a privileged one may' docker run --rm --privileged busybox dd if=/dev/vda of=/dev/null count=1
check 'exec has the same rules' fails sh -c 'docker run -d --name ruled busybox sleep 100 && docker exec ruled sh -c "mknod /tmp/disk '"$first"' && dd if=/tmp/disk of=/dev/null count=1"'
check 'it is removed' docker rm -f ruled
