#!/usr/bin/env bash
#
# Tests scripts/balance.sh in its short form: in namespaces and on loopback
# addresses, in both languages, with each server killed, where it is
# interrupted, and where what it needs is missing. Every run must leave no
# process, no interface and no file behind.

set -uo pipefail

cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." >/dev/null || exit
# The cases: how they run and what is looked at after each.
# shellcheck source=scripts/cases.sh
. scripts/cases.sh
balance=$PWD/scripts/balance.sh
# A process of a run that has ended must be gone at once.
looks=1

# The servers are built beforehand: only the play itself is interrupted.
cargo build --release --quiet -p threads-server -p process-server \
  -p mux-server || exit 1
cargo build --profile lab --quiet -p lab || exit 1

# What must be so after each run.
check_play() { # expected status
  check_traces "$1"
  [ ! -e /sys/class/net/to-threads ] || miss 'an interface is left'
}
figures() { grep -E '^  ([0-9]+ re|HAProxy (not|lo)|exch|inter|time|tiem)' \
  "$room/out" | sed 's/^/    /'; }

# ------------------------------------------------------------ It is as claimed

begin 'all three scenes'
run "$balance" --short
check_play 0
silent
shows '^  Ana was given to threads, Beto to process, Carla to mux\.'
shows '^  exchanges: [0-9]+, lost: 0, refused: 0$'
figures
end

begin 'all three scenes, on loopback addresses'
run "$balance" --short --loopback
check_play 0
silent
shows '^  Four addresses of this machine'
shows '127\.0\.0\.4:[0-9]+$'
figures
end

for victim in process mux; do
  begin "killed: $victim"
  run "$balance" --short --kill "$victim"
  check_play 0
  silent
  figures
  end
done

begin 'in Spanish'
run LANG=es_AR.UTF-8 "$balance" --short --who --rolling
check_play 0
silent
shows '^  A Ana la atiende threads, a Beto process, a Carla mux\.'
shows '^  intercambios: [0-9]+, perdidos: 0, rechazados: 0$'
! grep -qE 'connected|stopped|lost|The ' "$room/out" || miss 'English'
end

# ------------------------------------------------------------ Command line

begin 'a wrong argument is named'
run "$balance" --slow
check_play 2
grep -q -- '--slow' "$room/err" || miss 'not named'
end

begin '--help'
run "$balance" --help
check_play 0
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
mkdir -p "$room/without/scripts"
ln -s "$PWD/scripts/scene.sh" "$room/without/scripts/"
sed 's/haproxy >/no-haproxy >/' "$balance" >"$room/without/scripts/balance.sh"
run PATH="$bare" LANG=es bash "$room/without/scripts/balance.sh"
check_play 1
[ "$(cat "$room/err")" = 'Falta HAProxy: sudo apt-get install haproxy' ] ||
  miss 'not one clear line'
end

# ------------------------------------------------------------- Interrupted

interrupt() { # signal, status, line, word...
  begin "SIG$1 at: $3"
  run_interrupted "$1" "$3" "$balance" --short "${@:4}"
  check_play "$2"
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
check_play 141
end

total
