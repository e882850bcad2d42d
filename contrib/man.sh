#!/bin/sh
# Writes a manual page of what a program says about itself. Usage: man.sh PROGRAM SECTION 'WHAT IT IS'
#
# The page holds `--help` as it is, and for the client that of each of its commands.
set -eu

program=$1 section=$2 what=$3
name=$(basename "$program")
here=$(cd "$(dirname "$0")" && pwd)
version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$here/../Cargo.toml" | head -n 1)

# Lines as they are: nothing at their beginning or in them is roff's.
verbatim() {
    printf '.nf\n'
    sed -e 's/\\/\\e/g' -e 's/-/\\-/g' -e "s/^[.']/\\\\\&&/"
    printf '.fi\n'
}

printf '.TH %s %s "" "jocker %s"\n' "$(echo "$name" | tr '[:lower:]' '[:upper:]')" "$section" "$version"
printf '.SH NAME\n%s \\- %s\n.SH DESCRIPTION\n' "$name" "$what"
COLUMNS=72 "$program" --help | verbatim
[ "$name" = jocker ] || exit 0
printf '.SH COMMANDS\n'
"$program" completion bash | sed -n 's/^ *opts="\(.*--version.*\)"/\1/p' | head -n 1 | tr ' ' '\n' | grep -v '^-' |
    sort -u | while read -r command; do
    printf '.SS %s %s\n' "$name" "$command"
    COLUMNS=72 "$program" "$command" --help | verbatim
done
