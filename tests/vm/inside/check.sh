# check.sh - what the parts share: one line for a check, and the files of a container's control group.

failures=0

# check NAME COMMAND...: the command must succeed.
check() {
    local name=$1
    shift
    if "$@" > /tmp/check.log 2>&1; then
        echo "ok   $name"
    else
        failures=$((failures + 1))
        echo "FAIL $name: $*"
        head -20 /tmp/check.log | sed 's/^/     /'
    fi
}

# must NAME COMMAND...: a check without which nothing after it has a meaning.
must() {
    local before=$failures
    check "$@"
    [ "$failures" = "$before" ] || end
}

# end: the boot's last words.
end() {
    [ "$failures" = 0 ] || journalctl --no-pager -u jockerd -n 80 | cut -c1-300
    exit "$failures"
}

# engine: the socket is up, the first client starts the daemon.
engine() {
    must 'the socket is started' systemctl start jockerd.socket
    must 'the first client starts the daemon' docker version
}

is() { [ "$1" = "$2" ] || { echo "is '$1' and should be '$2'"; return 1; }; }
has() { case "$1" in *"$2"*) ;; *) echo "'$1' has no '$2'"; return 1 ;; esac; }
more() { [ "$1" -gt "$2" ] || { echo "$1 is not more than $2"; return 1; }; }
fails() { ! "$@"; }

# eventually COMMAND...: tries for ten seconds.
eventually() {
    local try
    for try in $(seq 50); do
        "$@" > /dev/null 2>&1 && return
        sleep 0.2
    done
    "$@"
}

shown() { docker inspect --format "$2" "$1"; }
group() { echo "/sys/fs/cgroup/${driver_parent:-jocker}/$(shown "$1" '{{.Id}}')"; }
value() { cat "$(group "$1")/$2"; }
file_is() { is "$(value "$1" "$2")" "$3"; }
running() { is "$(shown "$1" '{{.State.Running}}')" true; }
