#!/usr/bin/env bash
#
# Tests the demo: with every netcat and with none, in both languages, where it
# is interrupted, and where what it claims is not so. Every run must leave no
# process and no file behind.
#
# A netcat that is not installed is skipped, loudly; with CI=true it fails.

set -uo pipefail

# Where this was started in the background, SIGINT is ignored, and neither this
# shell nor one that it starts could change that; env(1) can.
if [ -z "${DEMO_SIGNALS:-}" ] && env --default-signal=INT true 2>/dev/null
then
  export DEMO_SIGNALS=default
  exec env --default-signal=INT,TERM,HUP bash "${BASH_SOURCE[0]}" "$@"
fi

cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." >/dev/null || exit
demo=$PWD/scripts/demo.sh

# A name with a space, for all that the demo puts into its own files.
room=$(mktemp -d)
trap 'rm -rf -- "$room"' EXIT
mkdir "$room/its files"

# What this shell inherits must not decide what is tested.
unset LC_ALL LC_MESSAGES NC NO_COLOR ECHO_LANGUAGE
export LANG=C TMPDIR="$room/its files"

# Built beforehand: what is timed is the demo.
cargo build --quiet && cargo build --quiet -p common --example client || exit 1

passed=0 failed=0

# Each case is a run and then any number of these; the first miss is told.
miss() { [ -n "$missed" ] || missed=$*; }
begin() {
  name=$1 missed='' began=$SECONDS
}
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

# Processes of a run are known by a variable that they inherit, whatever group
# or session they have moved to.
left_behind() {
  grep -lzsx "DEMO_RUN=$run" /proc/[0-9]*/environ | cut -d/ -f3 | xargs
}

# What must be so after each run.
check_traces() { # expected status
  [ "$status" -eq "$1" ] || miss "status $status, not $1"
  [ -z "$(left_behind)" ] || miss "left behind: $(left_behind)"
  [ -z "$(ls -A "$TMPDIR")" ] || miss "files left: $(ls "$TMPDIR")"
  # Columns, not bytes.
  local long
  long=$(LC_ALL=C.UTF-8 grep -hE '^.{81}' "$room/out" "$room/err")
  [ -z "$long" ] || miss "longer than 80 columns: $long"
}

# Runs a program, in the foreground, with this environment and these words.
run() { # VARIABLE=VALUE... program word...
  run=$((${run-0} + 1))
  env DEMO_RUN=$run "$@" >"$room/out" 2>"$room/err"
  status=$?
}

shows() { grep -qE -- "$1" "$room/out" || miss "does not show: $1"; }
shows_not() { ! grep -qE -- "$1" "$room/out" || miss "shows: $1"; }
silent() { [ ! -s "$room/err" ] || miss "said: $(head -n 1 "$room/err")"; }

# ------------------------------------------------------- With every netcat

whole() { # name, how its clients are started, VARIABLE=VALUE...
  local shown=$2
  begin "$1"
  shift 2
  run "$@" "$demo"
  check_traces 0
  silent
  shows "^    \\$ $shown 127\\.0\\.0\\.1 [0-9]+$"
  shows '^    \| thread 3 .* received 10 bytes: I am Beto'
  shows '^    \| process [0-9]+  +127.* received 10 bytes: I am Beto'
  shows '^    \| loop .* received 10 bytes: I am Beto'
  [ "$(grep -c 'stopped: 2 clients served' "$room/out")" -eq 3 ] ||
    miss 'not three problems'
  [ "$(grep -c 'stopped: 3 clients served' "$room/out")" -eq 3 ] ||
    miss 'not three answers'
  [ $((SECONDS - began)) -lt 120 ] || miss 'two minutes are over'
  end
}

netcat() { # package, its program, how its clients are started
  if command -v "${2%% *}" >/dev/null; then
    whole "$2" "$3" NC="$2"
    return
  fi
  printf '\n*** %s IS NOT INSTALLED: apt-get install %s ***\n\n' "$2" "$1"
  [ "${CI-}" != true ] || failed=$((failed + 1))
}

netcat netcat-openbsd nc.openbsd 'nc\.openbsd -N'
netcat netcat-traditional nc.traditional 'nc\.traditional -q 10'
netcat ncat ncat ncat
netcat busybox 'busybox nc' 'busybox nc'
whole 'the bundled client' client NC=none

# A directory of links to all that the demo uses but netcat, ps and timeout.
bare=$room/bare
mkdir "$bare"
for tool in bash cargo cat cc cut dirname env find fold grep ld ls mkdir \
  mkfifo mktemp rm rustc sed sleep wc; do
  ln -s "$(command -v "$tool")" "$bare/"
done
whole 'neither netcat nor ps nor timeout' client PATH="$bare"
begin 'it says that there is no netcat'
shows '^  No netcat: '
shows '\$ cat /proc/[0-9]+/task/[0-9]+/children'
end

# ------------------------------------------------------------- In Spanish

spanish() { # name, VARIABLE=VALUE...
  begin "$1"
  shift
  run "$@" "$demo" process
  check_traces 0
  shows '^El problema: '
  shows '^    \| proceso [0-9]+  +127.* conectado$'
  shows '^    \| process-server detenido: 3 clientes atendidos, 17 bytes'
  shows_not 'connected|The |stopped'
  end
}
spanish 'Spanish by LANG' LANG=es_AR.UTF-8
spanish 'Spanish by LC_MESSAGES, against LANG' LC_MESSAGES=es LANG=en_GB.UTF-8
spanish 'Spanish as the servers are asked for' ECHO_LANGUAGE=es

begin 'English by LC_ALL=C, against LANG'
run LC_ALL=C LANG=es_AR.UTF-8 "$demo" --answer mux
check_traces 0
silent
shows '^The answer: '
shows_not 'The problem|conectado'
end

begin 'only the problem'
run "$demo" --problem process
check_traces 0
silent
shows '^The problem: '
shows_not 'The answer'
end

# -------------------------------------------------------------- Where it runs

begin 'from elsewhere, by a path with a space, the streams closed'
ln -s "$PWD" "$room/my clone"
run bash -c 'cd / && exec "$0" threads <&- 2>&-' \
  "$room/my clone/scripts/demo.sh"
check_traces 0
shows 'stopped: 3 clients served'
end

begin 'settings for the servers in the environment, and 8080 is taken'
cargo run --quiet -p mux-server -- --quiet >"$room/taken" 2>&1 &
run ECHO_QUIET=true ECHO_PORT=8080 ECHO_HOST=::1 ECHO_REPLY=greeting \
  ECHO_MAX_CLIENTS=2 ECHO_IDLE_TIMEOUT=1 ECHO_COLOUR=red "$demo" mux
kill $! && wait $!
check_traces 0
silent
end

begin 'two at the same time'
run bash -c '"$0" threads & "$0" process && wait $!' "$demo"
check_traces 0
silent
[ "$(grep -c 'stopped: 3 clients served' "$room/out")" -eq 2 ] ||
  miss 'not two answers'
end

begin 'a terminal has colours'
run TERM=xterm script -qec "'$demo' --pause=0 threads" /dev/null </dev/null
[ "$status" -eq 0 ] || miss "status $status"
shows $'\e\\[36m\\| threads-server listening'
end

begin 'unless NO_COLOR is set'
run TERM=xterm NO_COLOR=1 script -qec "'$demo' --pause=0 threads" /dev/null \
  </dev/null
[ "$status" -eq 0 ] || miss "status $status"
shows '^    \| threads-server listening'
shows_not $'\e'
end

begin '--pause waits for Enter'
# Two steps and no more are let through, then the input ends: so do the pauses.
run bash -c 'printf "\n\n" | "$0" --pause threads' "$demo"
check_traces 0
[ "$(grep -c '\[Enter\]' "$room/out")" -eq 3 ] || miss 'not three pauses'
end

# ------------------------------------------------------------- Command line

for word in --help -h; do
  for language in en es; do
    begin "$word, $language"
    run LANG=$language "$demo" $word
    check_traces 0
    silent
    shows 'scripts/demo\.sh \[threads\|process\|mux\|all\]'
    end
  done
done
for words in nothing 'threads mux' '--pause=x' '--answers' "''"; do
  begin "wrong usage: $words"
  run bash -c "'$demo' $words"
  check_traces 2
  [ ! -s "$room/out" ] || miss 'standard output is not for errors'
  end
done

# ------------------------------------------------------------- Interrupted

# Sends a signal, as a terminal does, to the process group of the demo when it
# has printed a certain line.
interrupt() { # signal, status, line, word...
  local signal=$1 expected=$2 at=$3 line demo_group sent=no
  shift 3
  begin "SIG$signal at: $at"
  run=$((run + 1))
  : >"$room/out"
  mkfifo "$room/pipe"
  # Job control gives a background job its own group, and SIGINT back to it.
  set -m
  env DEMO_RUN=$run "$demo" "$@" >"$room/pipe" 2>"$room/err" &
  demo_group=$!
  set +m
  while IFS= read -r line; do
    printf '%s\n' "$line" >>"$room/out"
    if [ $sent = no ] && [[ $line == *"$at"* ]]; then
      kill -"$signal" -- -"$demo_group"
      sent=$SECONDS
    fi
  done <"$room/pipe"
  wait "$demo_group"
  status=$?
  rm "$room/pipe"
  [ "$sent" != no ] || miss 'the line never came'
  # Shorter than any pause or time-out that it may have been in.
  [ "$sent" = no ] || [ $((SECONDS - sent)) -le 6 ] ||
    miss 'it took long to end'
  check_traces "$expected"
  shows_not 'mux-server stopped: 3'
  end
}

interrupt INT 130 '$ cargo build'
interrupt INT 130 'process-server --port 0' process
interrupt INT 130 'says nothing:' process --pause=9
interrupt INT 130 'Ana > I am Ana' mux
interrupt INT 130 'no reply' threads --pause=9
interrupt INT 130 'The answer' process
interrupt INT 130 'So does Beto' process
interrupt INT 130 'ps -o pid' process
interrupt INT 130 'kill -INT' threads
interrupt TERM 143 'Ana > I am Ana' process
interrupt HUP 129 'So does Beto' threads

begin 'whoever reads its output has gone'
run bash -c '"$0" process | head -n 5; exit ${PIPESTATUS[0]}' "$demo"
check_traces 141
end

# ------------------------------------------- Where what it claims is not so

# A tool of this name, whose text is on standard input, comes first.
fake() { # name
  mkdir -p "$room/fake"
  cat >"$room/fake/$1"
  chmod +x "$room/fake/$1"
}

wrong() { # name, word...
  begin "it fails if $1"
  shift
  run PATH="$room/fake:$PATH" "$@"
  check_traces 1
  grep -q '^NOT AS CLAIMED: ' "$room/err" || miss 'no reason given'
  end
  rm -rf "$room/fake"
}

fake liar <<'END'
#!/bin/sh
case $1 in -h) echo Ncat ;; *) exec ncat "$@" | sed s/Ana/Eva/ ;; esac
END
wrong 'a reply is wrong' NC=liar "$demo" --answer threads
fake mute <<'END'
#!/bin/sh
case $1 in -h) echo Ncat ;; *) exec sleep 60 ;; esac
END
wrong 'a client does not connect' NC=mute "$demo" --answer threads
fake local-echo <<'END'
#!/bin/sh
case $1 in -h) echo Ncat ;; *) tee /dev/fd/3 3>&1 | exec ncat "$@" ;; esac
END
wrong 'nobody had to wait' NC=local-echo "$demo" threads
fake ps <<'END'
#!/bin/sh
echo '  1   1 ?  00:00:00 process-server'
END
wrong 'ps shows no processes' "$demo" --answer process
fake ps <<'END'
#!/bin/sh
echo '  1   1 ?  00:00:00 threads-server'
END
wrong 'ps shows no threads' "$demo" --answer threads
wrong 'there is no such netcat' NC=no-such-netcat "$demo"

printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
