#!/usr/bin/env bash
#
# Records the demo for the README: docs/pictures/demo.svg and demo.es.svg, two
# pictures that move. Whatever they show has been printed by a real run.
#
# Needs asciinema and termtosvg, as Debian packages them.

set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." >/dev/null

# What runs in the recorded terminal: the problem once, each of the answers.
if [ "${1-}" = play ]; then
  for words in 'threads --problem' 'threads --answer' 'process --answer' \
    'mux --answer'; do
    # Each on a screen of its own.
    printf '\e[H\e[2J\e[1m$ scripts/demo.sh %s\e[0m\n' "$words"
    sleep 0.7
    # shellcheck disable=SC2086 # two words
    scripts/demo.sh $words
    # Time to look at what it has come to.
    sleep 1.5
  done
  exit
fi

# Built beforehand, so that the recording shows no compiler.
cargo build --quiet

room=$(mktemp -d)
trap 'rm -rf -- "$room"' EXIT

record() { # language, picture
  echo "$2"
  # The terminal is as high as the longest scene needs but for its first lines.
  # A busy machine is no reason to look at nothing for more than 1.6 s.
  LC_ALL='' LC_MESSAGES='' LANG=$1 TERM=xterm-256color \
    asciinema rec -q --overwrite --cols 80 --rows 32 -i 1.6 \
    -c 'bash scripts/record.sh play' "$room/demo.cast" </dev/null
  # Lines that come at the same moment make one frame; the last one stays.
  termtosvg render "$room/demo.cast" "$room/demo.svg" \
    -t window_frame -m 60 -D 3000 >/dev/null
  # Who does not want to see things move, or looks through a program that
  # cannot, gets the last frame instead of the first, which is empty.
  local last
  last=$(sed -n 's/^100\.000%{\(transform:[^}]*\)}.*/\1/p' "$room/demo.svg")
  [ -n "$last" ]
  sed "s|#screen_view {|#screen_view { $last;|
    s|</style>|@media (prefers-reduced-motion: reduce) {\
 #screen_view { animation: none } }</style>|" \
    "$room/demo.svg" >"$2"
  # A README is not the place for megabytes.
  [ "$(wc -c <"$2")" -lt 300000 ]
}

record en docs/pictures/demo.svg
record es docs/pictures/demo.es.svg
