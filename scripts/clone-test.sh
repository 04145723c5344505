#!/usr/bin/env bash
#
# Tests what a reader has who clones this repository on Windows, where git is
# often set to write CRLF at the end of each line, and then works in WSL: every
# script runs, every patch applies, and no text file differs from ours.
#
# This tests the last commit, since a clone contains that.

set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." >/dev/null

source=$PWD
room=$(mktemp -d)
trap 'rm -rf -- "$room"' EXIT

fail() {
  printf 'FAIL  %s\n' "$1"
  exit 1
}

git clone --quiet --config core.autocrlf=true -- "$source" "$room/clone"
cd -- "$room/clone"

# The carriage return is looked for in the files, not in what git says of them.
with_returns=$(git ls-files -z | xargs -0 grep -lIU $'\r' || true)
[ -z "$with_returns" ] || fail "a carriage return in: $with_returns"

# The shell, and the kernel that looks for the shell, take each script.
mapfile -t scripts < <(git grep -lE '^#!' -- scripts docs .ci)
[ "${#scripts[@]}" -ge 10 ] || fail "only ${#scripts[@]} scripts were found"
for script in "${scripts[@]}"; do
  case $(head -n 1 "$script") in
    *bash) bash -n "$script" || fail "bash does not take $script" ;;
    */sh) sh -n "$script" || fail "sh does not take $script" ;;
  esac
done
for script in scripts/demo.sh scripts/book.sh; do
  "./$script" --help >"$room/help" || fail "$script does not run"
done

# A start and its solution apply one after the other, as a student does it.
# Where the source has moved away from a patch, docs/exercises/check.sh says
# so; here a patch must do no worse than in a clone without any conversion.
applying() { # clone
  local exercise patch
  cd -- "$1"
  for exercise in docs/exercises/[0-9]*/; do
    for patch in start solution; do
      [ -e "$exercise$patch.patch" ] || continue
      ! git apply -- "$exercise$patch.patch" 2>/dev/null ||
        printf '%s ' "$exercise$patch.patch"
    done
    git checkout --quiet .
    git clean --quiet --force -d
  done
}
git clone --quiet --config core.autocrlf=false -- "$source" "$room/plain"
plain=$(applying "$room/plain")
converted=$(applying "$room/clone")
# A patch that is made now cannot be stale: it must apply.
cd -- "$room/plain"
sed -i '1s/$/ (changed)/' README.md docs/exercises/checks.py
git diff >"$room/fresh.patch"
cd -- "$room/clone"
git apply -- "$room/fresh.patch" || fail 'a patch made elsewhere does not apply'
[ "$plain" = "$converted" ] ||
  fail "these patches apply: $converted; without CRLF these: $plain"

printf 'A clone with CRLF: %s scripts run, and %s patches apply.\n' \
  "${#scripts[@]}" "$(($(wc -w <<<"$converted") + 1))"
