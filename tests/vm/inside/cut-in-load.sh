# cut-in-load.sh - the power goes while an image is being loaded.
. ./cut.sh
before=(/var/lib/jocker/layers/*)
announce
docker load --input /share/second.tar &
load=$!
# No process is made in between: one takes longer than what is left of the load.
while [ "$SECONDS" -lt 120 ]; do
    layers=(/var/lib/jocker/layers/*)
    [ "${#layers[@]}" -gt $((${#before[@]} + 2)) ] && break
done
check 'the cut is amidst the load' kill -0 "$load"
power_cut
