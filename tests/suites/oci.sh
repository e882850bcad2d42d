#!/bin/bash
# oci.sh RUNTIME… - runs other people's tests of OCI runtimes against each RUNTIME (a path), and writes what became of each
# test as tables: RUNTIME.SUITE.tsv.
#   CRUN=DIR           a checkout of containers/crun, for its Python tests; without it one is cloned
#   RUNTIME_TOOLS=DIR  a checkout of opencontainers/runtime-tools; without it one is cloned
#   OUT=DIR            where outputs and tables go; a new directory by default
#   ONLY=crun|tools    one of the two suites
# An old crun is told that specs are of version 1.0.2, which it knows.
# Needs root, gcc, libseccomp-dev, python3, git and, for runtime-tools, go. runc is not told the two options that only crun and Jocker
# know; crun, which refuses hybrid control groups, gets a mount namespace without the second hierarchy.
set -euo pipefail
[ $# -ge 1 ] || { sed -n '2,10p' "$0"; exit 2; }
out=${OUT:-$(mktemp -d)}; mkdir -p "$out"; out=$(cd "$out" && pwd)
if [ $# -gt 1 ]; then
  for runtime; do OUT=$out "$0" "$runtime"; done
  exit
fi
if [ "$(basename "$1")" = crun ] && [ -d /sys/fs/cgroup/unified ] && [ -z "${APART:-}" ]; then
  export OUT=$out APART=1
  exec unshare -m --propagation private sh -c 'mount -t tmpfs none /sys/fs/cgroup/unified && exec "$@"' sh "$0" "$1"
fi

checkout() { # NAME URL DIR
  [ -n "$3" ] && { echo "$3"; return; }
  [ -d "$out/$1" ] || git clone -q --depth 1 "$2" "$out/$1"
  echo "$out/$1"
}

# The command that the suites call in the runtime's place.
wrapper() { # RUNTIME
  local path=$out/bin/$(basename "$1"); mkdir -p "$out/bin"
  case $(basename "$1") in
  runc) cat >"$path" <<END
#!/bin/bash
args=()
while [ \$# -gt 0 ]; do
  case \$1 in --cgroup-manager|--config) shift ;; --cgroup-manager=*|--config=*) ;; *) args+=("\$1") ;; esac
  shift
done
exec $1 "\${args[@]}"
END
    ;;
  crun) cat >"$path" <<END
#!/bin/bash
bundle=.
for at in \$(seq \$#); do
  case \${!at} in -b|--bundle) next=\$((at + 1)); bundle=\${!next} ;; --bundle=*) bundle=\${!at#*=} ;; esac
done
[ ! -f "\$bundle/config.json" ] || sed -i 's/"ociVersion": *"1[0-9.]*"/"ociVersion":"1.0.2"/' "\$bundle/config.json"
exec $1 "\$@"
END
    ;;
  *) printf '#!/bin/sh\nexec %s "$@"\n' "$1" >"$path" ;;
  esac
  chmod +x "$path"; echo "$path"
}

crun_tests() { # NAME WRAPPER
  local dir=$out/crun-tests
  if [ ! -x "$dir/init" ]; then
    mkdir -p "$dir"
    printf '#define HAVE_SECCOMP 1\n#define HAVE_ERROR_H 1\n#define HAVE_LINUX_IOPRIO_H 1\n' >"$dir/config.h"
    gcc -w -static -D_GNU_SOURCE -I"$dir" -o "$dir/init" "$crun/tests/init.c"
  fi
  cd "$dir"
  for file in "$crun"/tests/test_*.py; do
    local name; name=$(basename "$file" .py)
    local only=
    # It waits for ever for a listener that only crun's own annotation names.
    [ "$name" != test_seccomp ] || [ "$1" = crun ] || only=$(sed -nE 's/^    "([a-z-]+)": test_.*/\1/p' "$file" | grep -v '^seccomp-listener$' | tr '\n' ' ')
    env ${only:+"RUN_TESTS=$only"} INIT="$dir/init" OCI_RUNTIME="$2" timeout "${LIMIT:-300}" python3 "$file" >"$out/$1.crun.$name.txt" 2>&1 || true
    sed -nE 's/^(not ok|ok) [0-9]+ - (\S+)( #SKIP)?.*/\1\3\t\2/p' "$out/$1.crun.$name.txt" |
      sed "s/^ok #SKIP/skip/; s/\t/\tcrun $name /"
  done
}

tools_tests() { # NAME WRAPPER
  cd "$tools"
  if [ ! -d bin ]; then
    make runtimetest
    mkdir bin
    for program in validation/*/; do [ "$(basename "$program")" = util ] || go build -o bin/ "./$program"; done
  fi >&2
  for program in bin/*; do
    local name; name=$(basename "$program")
    RUNTIME=$2 timeout "${LIMIT:-300}" "$program" >"$out/$1.tools.$name.txt" 2>&1 || true
    # What is asked often under one name fails if it fails once.
    sed -nE 's/^[[:space:]]*(not ok|ok) [0-9]+ *-? ?(# SKIP )?(.*)/\1\t\3/p' "$out/$1.tools.$name.txt" | sed "s/\t/\ttools $name /"
  done
}

crun= tools=
[ "${ONLY:-crun}" = crun ] && crun=$(checkout crun https://github.com/containers/crun "${CRUN:-}")
[ "${ONLY:-tools}" = tools ] && tools=$(checkout runtime-tools https://github.com/opencontainers/runtime-tools "${RUNTIME_TOOLS:-}")
name=$(basename "$1") path=$(wrapper "$(command -v "$1")")
if [ -n "$crun" ]; then crun_tests "$name" "$path" >"$out/$name.crun.tsv"; fi
if [ -n "$tools" ]; then tools_tests "$name" "$path" >"$out/$name.tools.tsv"; fi
for table in "$out/$name".*.tsv; do
  echo "$table: $(cut -f1 "$table" | sort | uniq -c | tr '\n' ' ')"
done
