#!/bin/bash
# testcontainers.sh HOST [FILE…] - runs the core tests of testcontainers-python against the daemon at HOST (unix://…), and
# writes what became of each test as a table. Only what passes on a dockerd is asked of Jocker.
#   TESTCONTAINERS=DIR   a checkout of testcontainers-python; without it one is cloned
#   IMAGES=FILE          a `docker save` archive of the images that the tests name; loaded first
#   OUT=DIR              where outputs and results.tsv go; a new directory by default
# Needs python3-venv, git, and the docker CLI's compose plugin.
set -euo pipefail
[ $# -ge 1 ] || { sed -n '2,7p' "$0"; exit 2; }
host=$1; shift
out=${OUT:-$(mktemp -d)}; mkdir -p "$out"
if [ -z "${TESTCONTAINERS:-}" ]; then
  TESTCONTAINERS=$out/testcontainers-python
  [ -d "$TESTCONTAINERS" ] || git clone -q --depth 1 https://github.com/testcontainers/testcontainers-python "$TESTCONTAINERS"
fi
if [ ! -x "$out/venv/bin/pytest" ]; then
  python3 -m venv "$out/venv"
  "$out/venv/bin/pip" -q install -e "$TESTCONTAINERS" pytest pytest-timeout pytest-mock httpx anyio cryptography bcrypt paramiko
fi
export DOCKER_HOST=$host TESTCONTAINERS_RYUK_DISABLED=true
[ -z "${IMAGES:-}" ] || docker load -q -i "$IMAGES" >"$out/load.txt"
cd "$TESTCONTAINERS"
# File by file: some tests change what others rely on.
for file in ${*:-tests/core/test_*.py}; do
  "$out/venv/bin/pytest" -v --timeout "${TIMEOUT:-60}" -p no:cacheprovider --junitxml "$out/junit.xml" "$file" \
    >"$out/$(basename "$file" .py).txt" 2>&1 || true
  python3 - "$out/junit.xml" <<'PYTHON' >>"$out/unsorted.tsv"
import sys
from xml.etree import ElementTree
for case in ElementTree.parse(sys.argv[1]).iter("testcase"):
    tags = {child.tag for child in case}
    word = next((word for tag, word in (("failure", "FAILED"), ("error", "ERROR"), ("skipped", "SKIPPED")) if tag in tags), "PASSED")
    print(f"{case.get('classname')}::{case.get('name')}\t{word}")
PYTHON
done
sort -u "$out/unsorted.tsv" >"$out/results.tsv"
cut -f2 "$out/results.tsv" | sort | uniq -c
echo "results by test: $out/results.tsv"
