#!/bin/bash
# image.sh NAME LAYERS - writes a docker-archive to standard output: a busybox, and above it LAYERS layers of random files.
# /sums in the topmost layer has the checksum of each, so that a container can tell whether its image is whole.
set -euo pipefail

name=$1 layers=$2
files=40 bytes=100000
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/archive"

busybox() {
    local fs=$work/fs applet
    mkdir -p "$fs"/{bin,etc,proc,sys,dev,tmp,root}
    cp /bin/busybox "$fs/bin/busybox"
    for applet in $(/bin/busybox --list); do
        [ "$applet" = busybox ] || ln -s busybox "$fs/bin/$applet"
    done
    echo 'root:x:0:0:root:/root:/bin/sh' > "$fs/etc/passwd"
    echo 'root:x:0:' > "$fs/etc/group"
    tar -C "$fs" --sort=name -c . > "$work/layer"
}

random() {
    local fs=$work/layer-$1 file
    mkdir -p "$fs/data-$1"
    for file in $(seq "$files"); do
        head -c "$bytes" /dev/urandom > "$fs/data-$1/$file"
    done
    (cd "$fs" && sha256sum data-*/* >> "$work/sums")
    cp "$work/sums" "$fs/sums"
    tar -C "$fs" -c . > "$work/layer"
    rm -r "$fs"
}

names=() ids=()
add() {
    local sum
    sum=$(sha256sum "$work/layer" | cut -d' ' -f1)
    mv "$work/layer" "$work/archive/$sum.tar"
    names+=("\"$sum.tar\"") ids+=("\"sha256:$sum\"")
}
list() { local IFS=,; echo "$*"; }

busybox && add
for number in $(seq "$layers"); do random "$number" && add; done
config="{\"architecture\":\"amd64\",\"os\":\"linux\",\"config\":{\"Cmd\":[\"sh\"],\"Env\":[\"PATH=/bin\"]},
\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[$(list "${ids[@]}")]}}"
sum=$(sha256sum <<< "$config" | cut -d' ' -f1)
echo "$config" > "$work/archive/$sum.json"
echo "[{\"Config\":\"$sum.json\",\"RepoTags\":[\"$name\"],\"Layers\":[$(list "${names[@]}")]}]" > "$work/archive/manifest.json"
tar -C "$work/archive" -c .
