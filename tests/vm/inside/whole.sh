# whole.sh - every listed image is whole: the checksums of its files hold, and it can be written out.
all_whole() {
    local image
    for image in $(docker images --format '{{.Repository}}:{{.Tag}}'); do
        docker run --rm "$image" sh -c '[ ! -e /sums ] || sha256sum -s -c /sums' || return 1
        docker save "$image" | tar -t > /dev/null || return 1
    done
}
listed() { docker images --format '{{.Repository}}' | sort | tr '\n' ' '; }
