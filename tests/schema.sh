#!/bin/bash
# schema.sh SWAGGER.yaml [NEXTEST ARGS…] - runs black-box tests and says which answers are not as the API's description has
# them. Needs python3-yaml. What dockerd 26.1 itself answers otherwise is listed in tests/schema-allowed.txt.
set -euo pipefail
[ $# -ge 1 ] || { sed -n '2,3p' "$0"; exit 2; }
here=$(cd "$(dirname "$0")" && pwd); swagger=$1; shift
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -c 'import json, sys, yaml; json.dump(yaml.safe_load(open(sys.argv[1])), open(sys.argv[2], "w"), default=str)' \
  "$swagger" "$work/api.json"
cd "$here/.."
JOCKER_API_DESCRIPTION=$work/api.json JOCKER_SCHEMA_REPORT=$work/report \
  cargo nextest run --locked -p jocker-tests --no-fail-fast "$@" || echo 'schema.sh: some tests failed' >&2
touch "$work/report"
sort "$work/report" | uniq -c | sort -rn >"$work/counted"
grep -vFf <(sed '/^#/d; /^$/d; s/  #.*//' "$here/schema-allowed.txt") "$work/counted" || { echo 'every answer is as described'; exit 0; }
exit 1
