#!/usr/bin/env bash
#
# Checks the exercises themselves: docs/exercises/check.sh [EXERCISE...]
#
# In a copy of the current source each check must fail; then the solution must
# apply, be formatted and annotated like everything else, build without a
# warning, and make the check pass.
#
# Where the source has moved away from a solution: git apply --3way, mend it,
# and git diff -U2 into its place.

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

# Runs the check; its exit status must be this. Unsolved it waits in vain, so
# not for long.
check() { # status, when
  local status=0
  [ "$2" = solved ] || local -x CHECK_LIMIT=3
  "docs/exercises/$name/check" >"$room/output" 2>&1 || status=$?
  sed 's/^/      | /' "$room/output"
  [ "$status" -eq "$1" ] || fail "$2 the check ends with $status, not $1"
}

apply() { # file, option...
  local patch=$1
  shift
  git apply "$@" -- "$exercises/$name/$patch" || fail "$patch does not apply"
}

# The Rust sources that a patch touches.
touched() { # file
  sed -n 's|^+++ b/\(.*\.rs\)$|\1|p' "$exercises/$name/$1"
}

# What the checker of the annotations finds in them, without line numbers.
findings() { # file
  local files
  mapfile -t files < <(touched "$1" | xargs -r ls -d 2>/dev/null)
  [ ${#files[@]} -eq 0 ] ||
    { cargo run --quiet -p annotate -- "${files[@]}" || true; } |
    sed 's/:[0-9]*:/:/' | sort
}

# Applies a patch, and fails if the result is not formatted, has warnings, or
# has findings that the source did not have.
adopt() { # file
  local before after server
  server=$(sed -n 's/^exec .* //p' "docs/exercises/$name/check")
  before=$(findings "$1")
  apply "$1"
  after=$(comm -13 <(cat <<<"$before") <(findings "$1"))
  [ -z "$after" ] || fail "$1 is not annotated: $after"
  cargo fmt --all --check || fail "$1 is not formatted"
  cargo clippy --quiet -p "$server" --all-targets -- -D warnings ||
    fail "$1 has warnings"
}

# The test of what the checks say of typical mistakes mostly waits for events
# that do not come, so it runs beside the builds.
if [ $# -eq 0 ]; then
  "$exercises/checks_test.py" >"$room/tests" 2>&1 &
  tests=$!
  trap wait EXIT
  set -- "$exercises"/[0-9]*/
fi
for name; do
  name=$(basename -- "$name")
  printf '%s\n' "$name"
  if [ -e "$exercises/$name/start.patch" ]; then
    adopt start.patch
  fi
  check 1 'unsolved'
  adopt solution.patch
  check 0 'solved'
  apply solution.patch --reverse
  [ ! -e "$exercises/$name/start.patch" ] || apply start.patch --reverse
done
name='checks_test.py'
if [ -n "${tests-}" ] && ! wait "$tests"; then
  cat "$room/tests"
  fail 'what the checks say has changed'
fi
printf 'Each of them fails unsolved and passes solved.\n'
