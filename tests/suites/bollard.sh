#!/bin/bash
# bollard.sh HOST [TEST…] - runs bollard's own integration tests against the daemon at HOST (unix://…), and writes what
# became of each test as a table. Only what passes on a dockerd is asked of Jocker.
#   BOLLARD=DIR                a checkout of bollard; without it one is cloned
#   REGISTRY_HTTP_ADDR=HOST    a registry that the daemon reaches (localhost:5000), with alpine, hello-world:linux
#                              (which has /hello) and fussybeaver/uhttpd (whose /usr/sbin/run_uhttpd serves)
#   OUT=DIR                    where outputs and results.tsv go; a new directory by default
# Needs cargo, git. The tests remove what is not theirs: give them a daemon of their own.
set -euo pipefail
[ $# -ge 1 ] || { sed -n '2,9p' "$0"; exit 2; }
host=$1; shift
out=${OUT:-$(mktemp -d)}; mkdir -p "$out"
tests=${*:-version_test system_test container_test exec_test export_test image_test network_test volume_test \
  race_test plugin_test}
if [ -z "${BOLLARD:-}" ]; then
  BOLLARD=$out/bollard
  [ -d "$BOLLARD" ] || git clone -q --depth 1 https://github.com/fussybeaver/bollard "$BOLLARD"
fi
export DOCKER_HOST=$host
cd "$BOLLARD"
: >"$out/unsorted.tsv"
for test in $tests; do
  timeout "${TIMEOUT:-600}" cargo test -q --test "$test" -- --test-threads 1 --format pretty >"$out/$test.txt" 2>&1 || true
  sed -n "s/^test \(\S*\) \.\.\. \(ok\|FAILED\|ignored\).*/$test::\1\t\2/p" "$out/$test.txt" >>"$out/unsorted.tsv"
done
sort -u "$out/unsorted.tsv" >"$out/results.tsv"
cut -f2 "$out/results.tsv" | sort | uniq -c
echo "results by test: $out/results.tsv"
