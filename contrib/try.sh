#!/bin/sh
# Starts a jockerd apart from any other on the machine, runs a container through it, and says how to go on.
# Usage: try.sh start|stop DIRECTORY-OF-THE-BINARIES
set -eu

bin=$2
run=/run/jocker-try
data=/var/lib/jocker-try
socket=unix://$run/jocker.sock

alive() {
    [ -s "$run/jockerd.pid" ] && [ "$(readlink "/proc/$(cat "$run/jockerd.pid")/exe" 2>/dev/null)" != "" ]
}

start() {
    if ! alive; then
        mkdir -p "$run"
        setsid "$bin/jockerd" --host "$socket" --data-root "$data" --exec-root "$run/exec" \
            --pidfile "$run/jockerd.pid" --bridge jocker-try0 --embedded-image \
            > "$run/jockerd.log" 2>&1 < /dev/null &
        tries=0
        until "$bin/jocker" --host "$socket" version > /dev/null 2>&1; do
            tries=$((tries + 1))
            if [ "$tries" -gt 100 ]; then
                echo "jockerd did not come up; its log:" >&2
                cat "$run/jockerd.log" >&2
                exit 1
            fi
            sleep 0.1
        done
    fi
    "$bin/jocker" --host "$socket" run --rm jocker/hello
    cat <<EOF

jockerd is running; its log is $run/jockerd.log. Go on with the stock docker CLI:

  export DOCKER_HOST=$socket
  docker run -it --rm jocker/hello sh
  docker run -d --name sleeper jocker/hello sleep 1000
  docker ps
  docker exec sleeper ps
  docker rm -f sleeper

or with the bundled client: $bin/jocker -H $socket ps
make stop ends it and removes its data.
EOF
}

stop() {
    if alive; then
        for id in $("$bin/jocker" --host "$socket" ps --all --quiet); do
            "$bin/jocker" --host "$socket" rm --force "$id" > /dev/null
        done
        pid=$(cat "$run/jockerd.pid")
        kill "$pid"
        while [ -e "/proc/$pid" ]; do sleep 0.05; done
    fi
    if command -v ip > /dev/null && [ -e /sys/class/net/jocker-try0 ]; then
        ip link delete jocker-try0
    fi
    rm -rf "$run" "$data"
}

case "$1" in
start | stop) "$1" ;;
*) echo 'usage: try.sh start|stop DIRECTORY' >&2; exit 2 ;;
esac
