# cut-in-load.sh - the power goes while an image is being loaded.
. ./cut.sh
layers=$(ls /var/lib/jocker/layers | wc -l)
announce
docker load --input /share/second.tar &
for try in $(seq 500); do
    [ "$(ls /var/lib/jocker/layers | wc -l)" -gt $((layers + 2)) ] && break
    sleep 0.02
done
check 'the cut is amidst the load' fails sh -c 'docker image inspect second > /dev/null 2>&1'
power_cut
