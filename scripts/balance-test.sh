#!/usr/bin/env bash
#
# Tests scripts/balance.sh in its short form: in namespaces and on loopback
# addresses, in both languages, with each server killed, where it is
# interrupted, and where what it needs is missing. Every run must leave no
# process, no interface and no file behind.

set -uo pipefail

# Where this was started in the background, SIGINT is ignored, and neither this
# shell nor one that it starts could change that; env(1) can.
if [ -z "${BALANCE_SIGNALS:-}" ] && env --default-signal=INT true 2>/dev/null
then
  export BALANCE_SIGNALS=default
  exec env --default-signal=INT,TERM,HUP bash "${BASH_SOURCE[0]}" "$@"
fi

cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." >/dev/null || exit
balance=$PWD/scripts/balance.sh
room=$(mktemp -d)
trap 'rm -rf -- "$room"' EXIT
mkdir "$room/its files"
unset LC_ALL LC_MESSAGES NO_COLOR ECHO_LANGUAGE
export LANG=C TMPDIR="$room/its files"

# The servers are built beforehand: only the play itself is interrupted.
cargo build --release --quiet -p threads-server -p process-server \
  -p mux-server || exit 1
cargo build --profile lab --quiet -p lab || exit 1

passed=0 failed=0
miss() { [ -n "$missed" ] || missed=$*; }
begin() { name=$1 missed='' began=$SECONDS; }
end() {
  local seconds=$((SECONDS - began))
  if [ -z "$missed" ]; then
    passed=$((passed + 1))
    printf 'ok    %s (%d s)\n' "$name" "$seconds"
  else
    failed=$((failed + 1))
    printf 'FAIL  %s (%d s): %s\n' "$name" "$seconds" "$missed"
    sed 's/^/      | /' "$room/out" "$room/err" | tail -n 40
  fi
}

# Processes of a run are known by a variable that they inherit.
left_behind() {
  grep -lzsx "BALANCE_RUN=$run" /proc/[0-9]*/environ | cut -d/ -f3 | xargs
}
check_traces() { # expected status
  [ "$status" -eq "$1" ] || miss "status $status, not $1"
  [ -z "$(left_behind)" ] || miss "left behind: $(left_behind)"
  [ -z "$(ls -A "$TMPDIR")" ] || miss "files left: $(ls "$TMPDIR")"
  [ ! -e /sys/class/net/to-threads ] || miss 'an interface is left'
  local long
  long=$(LC_ALL=C.UTF-8 grep -hE '^.{81}' "$room/out" "$room/err")
  [ -z "$long" ] || miss "longer than 80 columns: $long"
}
run=0
run() { # VARIABLE=VALUE... program word...
  run=$((run + 1))
  env BALANCE_RUN=$run "$@" >"$room/out" 2>"$room/err"
  status=$?
}
shows() { grep -qE -- "$1" "$room/out" || miss "does not show: $1"; }
silent() { [ ! -s "$room/err" ] || miss "said: $(head -n 1 "$room/err")"; }
figures() { grep -E '^  ([0-9]+ re|HAProxy (not|lo)|exch|inter|time|tiem)' \
  "$room/out" | sed 's/^/    /'; }

# ------------------------------------------------------------ It is as claimed

begin 'all three scenes'
run "$balance" --short
check_traces 0
silent
shows '^  Ana was given to threads, Beto to process, Carla to mux\.'
shows '^  exchanges: [0-9]+, lost: 0, refused: 0$'
figures
end

begin 'all three scenes, on loopback addresses'
run "$balance" --short --loopback
check_traces 0
silent
shows '^  Four addresses of this machine'
shows '127\.0\.0\.4:[0-9]+$'
figures
end

for victim in process mux; do
  begin "killed: $victim"
  run "$balance" --short --kill "$victim"
  check_traces 0
  silent
  figures
  end
done

begin 'in Spanish'
run LANG=es_AR.UTF-8 "$balance" --short --who --rolling
check_traces 0
silent
shows '^  A Ana la atiende threads, a Beto process, a Carla mux\.'
shows '^  intercambios: [0-9]+, perdidos: 0, rechazados: 0$'
! grep -qE 'connected|stopped|lost|The ' "$room/out" || miss 'English'
end

# ------------------------------------------------------------ Command line

begin 'a wrong argument is named'
run "$balance" --slow
check_traces 2
grep -q -- '--slow' "$room/err" || miss 'not named'
end

begin '--help'
run "$balance" --help
check_traces 0
shows '--rolling'
end

# A directory of links to all that the script uses, but without HAProxy.
bare=$room/bare
mkdir "$bare"
for tool in bash cargo cat cut dirname env grep mktemp rm rustc sed; do
  ln -s "$(command -v "$tool")" "$bare/"
done
begin 'without HAProxy'
# The script looks for HAProxy where Debian keeps it, too, so the name that it
# looks for is changed.
sed 's/haproxy >/no-haproxy >/' "$balance" >"$room/without"
run PATH="$bare" LANG=es bash -c "cd scripts && . '$room/without'"
check_traces 1
[ "$(cat "$room/err")" = 'Falta HAProxy: sudo apt-get install haproxy' ] ||
  miss 'not one clear line'
end

# ------------------------------------------------------------- Interrupted

# Sends a signal, as a terminal does, to the process group of the script when
# it has printed a certain line.
interrupt() { # signal, status, line, word...
  local signal=$1 expected=$2 at=$3 line group sent=no
  shift 3
  begin "SIG$signal at: $at"
  run=$((run + 1))
  : >"$room/out"
  mkfifo "$room/pipe"
  set -m
  env BALANCE_RUN=$run "$balance" --short "$@" >"$room/pipe" 2>"$room/err" &
  group=$!
  set +m
  while IFS= read -r line; do
    printf '%s\n' "$line" >>"$room/out"
    if [ $sent = no ] && [[ $line == *"$at"* ]]; then
      kill -"$signal" -- -"$group"
      sent=$SECONDS
    fi
  done <"$room/pipe"
  wait "$group"
  status=$?
  rm "$room/pipe"
  [ "$sent" != no ] || miss 'the line never came'
  check_traces "$expected"
  end
}

interrupt INT 130 'Four network namespaces' --who
interrupt INT 130 'mux-server listening' --who
interrupt INT 130 'Ana > I am Ana' --who
interrupt TERM 143 'Ana was given' --who --loopback
interrupt INT 130 'lab load' --kill
interrupt INT 130 'kill -KILL' --kill process
interrupt TERM 143 'HAProxy notices' --kill
interrupt INT 130 'state drain' --rolling
interrupt INT 130 'kill -TERM' --rolling
interrupt HUP 129 'state ready' --rolling

begin 'the reader of its output has gone'
run bash -c '"$0" --short --who | head -n 5; exit ${PIPESTATUS[0]}' "$balance"
check_traces 141
end

printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
