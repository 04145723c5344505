#!/usr/bin/env bash
#
# Checks the exercises themselves: docs/exercises/check.sh [EXERCISE...]
#
# In a copy of the current source each check must fail; then the solution must
# apply, be formatted and annotated like everything else, build without a
# warning, and make the check pass.

set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.."
exercises=$PWD/docs/exercises

room=${CARGO_TARGET_DIR:-$PWD/target}/exercises
tree=$room/tree
# The servers of the copy must not take the place of those of the source; and
# git must not take the copy for a part of this repository.
export CARGO_TARGET_DIR=$room/target GIT_CEILING_DIRECTORIES=$room

fail() {
  printf 'FAIL  %s: %s\n' "$name" "$1"
  exit 1
}

# Everything that is or could be committed; without the times, so that cargo
# never mistakes one state of the copy for another.
name='copy'
rm -rf -- "$tree"
mkdir -p -- "$tree"
git ls-files --cached --others --exclude-standard -z |
  while IFS= read -r -d '' file; do
    [ ! -e "$file" ] || printf '%s\0' "$file"
  done | xargs -0 cp --parents --no-dereference -t "$tree"
cd -- "$tree"

# Runs the check; its exit status must be this.
check() { # status, when
  local status=0
  "docs/exercises/$name/check" >"$room/output" 2>&1 || status=$?
  sed 's/^/      | /' "$room/output"
  [ "$status" -eq "$1" ] || fail "$2 the check ends with $status, not $1"
}

apply() { # file, option...
  local patch=$1
  shift
  git apply "$@" -- "$exercises/$name/$patch" || fail "$patch does not apply"
}

# What must hold of every state that a class may have on the projector.
inspect() { # file
  local files server
  server=$(sed -n 's/.* //p' "docs/exercises/$name/check" | tail -n 1)
  mapfile -t files < <(sed -n 's|^+++ b/\(.*\.rs\)$|\1|p' \
    "$exercises/$name/$1")
  cargo fmt --all --check || fail "$1 is not formatted"
  cargo run --quiet -p annotate -- "${files[@]}" || fail "$1 is not annotated"
  cargo clippy --quiet -p "$server" -p common --all-targets -- -D warnings ||
    fail "$1 has warnings"
}

[ $# -gt 0 ] || set -- "$exercises"/[0-9]*/
for name; do
  name=$(basename -- "$name")
  printf '%s\n' "$name"
  if [ -e "$exercises/$name/start.patch" ]; then
    apply start.patch
    inspect start.patch
  fi
  check 1 'unsolved'
  apply solution.patch
  inspect solution.patch
  check 0 'solved'
  apply solution.patch --reverse
  [ ! -e "$exercises/$name/start.patch" ] || apply start.patch --reverse
done
printf 'Each of them fails unsolved and passes solved.\n'
