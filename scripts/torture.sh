#!/usr/bin/env bash
# What the servers have to survive, all of it: scripts/torture.sh [PART]
# [--quick]. The parts: the matrix of injected faults (some minutes; writes
# docs/faults.md), the limits of resources, hostile clients, the soak.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
  echo "usage: scripts/torture.sh [matrix|limits|hostile|soak|all] [--quick]"
}

part=all
quick=()
for word in "$@"; do
  case $word in
    matrix | limits | hostile | soak | all) part=$word ;;
    --quick) quick=(--quick) ;;
    -h | --help) usage; exit ;;
    *) usage >&2; exit 2 ;;
  esac
done

wanted() { [ "$part" = all ] || [ "$part" = "$1" ]; }

# The short form of a test is the one that `cargo test` runs.
long=()
[ ${#quick[@]} -gt 0 ] || long=(--include-ignored)

if wanted matrix; then
  cargo run -q -p suite -- matrix "${quick[@]}"
fi
if wanted limits; then
  cargo run -q -p suite -- limits
fi
if wanted hostile; then
  cargo test --release -p suite --test hostile --test orders -- \
    --nocapture "${long[@]}"
fi
if wanted soak; then
  cargo test --release -p suite --test soak -- --nocapture "${long[@]}"
fi
