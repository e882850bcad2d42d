#!/bin/bash
# docker-py.sh HOST [FILE…] - runs docker-py's own integration tests against the daemon at HOST (unix://…), file by
# file, and writes what became of each test as a table. Only what passes on a dockerd is asked of Jocker.
#   DOCKER_PY=DIR    a checkout of docker-py's tag 7.2.0; without it one is cloned
#   IMAGES=FILE      a `docker save` archive of the images that the tests name; loaded first
#   OUT=DIR          where outputs and results.tsv go; a new directory by default
# Needs python3-venv, git. The tests remove what is not theirs: give them a daemon of their own.
set -euo pipefail
[ $# -ge 1 ] || { sed -n '2,8p' "$0"; exit 2; }
host=$1; shift
out=${OUT:-$(mktemp -d)}; mkdir -p "$out"
version=7.2.0
files=${*:-errors client api_client regression api_volume models_volumes models_resources api_exec models_images \
  api_image models_containers api_network models_networks api_healthcheck api_container}

if [ -z "${DOCKER_PY:-}" ]; then
  DOCKER_PY=$out/docker-py
  [ -d "$DOCKER_PY" ] || git clone -q --depth 1 -b "$version" https://github.com/docker/docker-py "$DOCKER_PY"
fi
if [ ! -x "$out/venv/bin/pytest" ]; then
  python3 -m venv "$out/venv"
  "$out/venv/bin/pip" -q install "docker==$version" pytest pytest-timeout paramiko websocket-client
fi
export DOCKER_HOST=$host
[ -z "${IMAGES:-}" ] || docker load -q -i "$IMAGES" >"$out/load.txt"

cd "$DOCKER_PY"
for file in $files; do
  "$out/venv/bin/pytest" -v --timeout "${TIMEOUT:-60}" -p no:cacheprovider "tests/integration/${file}_test.py" \
    >"$out/$file.txt" 2>&1 || true
  echo "$file: $(tail -1 "$out/$file.txt" | tr -d =)"
done
grep -hoE '^tests/integration/\S+ (PASSED|FAILED|SKIPPED|ERROR|XFAIL|XPASS)' "$out"/*.txt |
  sed 's|^tests/integration/||; s/ /\t/' | sort -u >"$out/results.tsv"
cut -f2 "$out/results.tsv" | sort | uniq -c
echo "results by test: $out/results.tsv"
