#!/usr/bin/env bash
#
# Tests the demo: with every netcat and with none, in both languages, where it
# is interrupted, and where what it claims is not so. Every run must leave no
# process and no file behind.
#
# A netcat that is not installed is skipped, loudly; with CI=true it fails.

set -uo pipefail

cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." >/dev/null || exit
# The cases: how they run and what is looked at after each.
# shellcheck source=scripts/cases.sh
. scripts/cases.sh
demo=$PWD/scripts/demo.sh

# The servers are built beforehand: only the demo is timed.
cargo build --quiet && cargo build --quiet -p common --example client || exit 1

# A tool of this name, whose text is on standard input, comes first.
fake() { # name
  mkdir -p "$room/fake"
  cat >"$room/fake/$1"
  chmod +x "$room/fake/$1"
}

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
  [ "$(grep -c 'stopped: 2 clients served' "$room/out")" -eq 1 ] ||
    miss 'not one problem'
  [ "$(grep -c 'Silent < here at last' "$room/out")" -eq 3 ] ||
    miss 'the silent client did not speak at the end of each answer'
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

# A directory of links to all that the demo uses but netcat, ps, ss and timeout.
bare=$room/bare
mkdir "$bare"
for tool in bash cargo cat cc cut dirname env find fold grep ld ls mkdir \
  mkfifo mktemp rm rustc sed sleep wc; do
  ln -s "$(command -v "$tool")" "$bare/"
done
whole 'neither netcat nor ps nor ss nor timeout' client PATH="$bare"
begin 'it says that there is no netcat, and asserts nothing without ss'
shows '^  No netcat: '
shows '\$ cat /proc/[0-9]+/task/[0-9]+/children'
shows '\(How to see it'
shows_not 'has not accepted'
end

# ------------------------------------------------------------- In Spanish

spanish() { # name, VARIABLE=VALUE...
  begin "$1"
  shift
  run "$@" "$demo" process
  check_traces 0
  shows '^El problema: '
  shows '^    \| proceso [0-9]+  +127.* conectado$'
  shows '^    \| process-server detenido: 3 clientes atendidos, 31 bytes'
  shows_not 'connected|The |stopped'
  end
}
spanish 'Spanish by LANG' LANG=es_AR.UTF-8
spanish 'Spanish by LC_MESSAGES, against LANG' LC_MESSAGES=es LANG=en_GB.UTF-8
spanish 'Spanish as the servers are asked for' ECHO_LANGUAGE=es

begin 'what ps shows in English is explained in Spanish'
run LANG=es_AR.UTF-8 "$demo" --answer threads
check_traces 0
shows '^ +[0-9 ]+ .* thread 1$'
shows '«thread 1» es el hilo 1'
end

# Without its spaces and the marks of lines that go on, a text reads the same
# at every width: then no word was broken and none lost.
words() {
  sed -E 's/\x1b\[[0-9]*[mK]//g; s/^ *(\| )?//; s/ \\$//; s/\r//g' "$room/out" |
    tr -d '\n ' | sed -E 's/[0-9]+//g'
}
for language in en es; do
  begin "sixty columns, $language"
  run LANG=$language.UTF-8 COLUMNS=80 "$demo" --answer threads
  wide=$(words)
  run LANG=$language.UTF-8 COLUMNS=60 "$demo" --answer threads
  check_traces 0
  fits 60
  [ "$(words)" = "$wide" ] || miss 'it does not say the same as at 80'
  # A line ends with a whole word: no word of the wide text is missing.
  LC_ALL=C.UTF-8 grep -qE '^.{50,60}$' "$room/out" || miss 'no line is full'
  run LANG=$language.UTF-8 COLUMNS=60 "$demo" --help
  fits 60
  silent
  # A terminal says by itself how wide it is.
  run LANG=$language.UTF-8 NO_COLOR=1 script -qec \
    "stty cols 60; '$demo' --pause=0 --problem mux" /dev/null </dev/null
  # What a carriage return overwrites is a line of its own here.
  sed -i 's/\r/\n/g; s/\x1b\[K//g' "$room/out"
  [ "$status" -eq 0 ] || miss "status $status"
  fits 60
  end
done

begin 'only the problem; the second client waits in the queue, as ss says'
run "$demo" --problem process
check_traces 0
silent
shows '^The problem: '
shows '^    LISTEN 1 '
shows '^    ESTAB  9 '
shows_not 'The answer'
end

begin 'a build that takes long shows that it goes on'
fake cargo <<'END'
#!/bin/bash
echo '{"reason":"compiler-artifact","fresh":false,"executable":null}'
sleep 3
exec "$REAL_CARGO" "$@"
END
run REAL_CARGO="$(command -v cargo)" PATH="$room/fake:$PATH" "$demo" \
  --answer threads
check_traces 0
shows '^  \(building: 1 parts so far'
run REAL_CARGO="$(command -v cargo)" PATH="$room/fake:$PATH" \
  script -qec "'$demo' --pause=0 --answer threads" /dev/null </dev/null
shows 'parts built: 1, after 2 s'
rm -rf "$room/fake"
end

begin 'English by LC_ALL=C, against LANG'
run LC_ALL=C LANG=es_AR.UTF-8 "$demo" --answer mux
check_traces 0
silent
shows '^The answer: '
shows_not 'The problem|conectado'
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
shows $'\e\\[36m    \\| threads-server listening'
end

begin 'unless NO_COLOR is set'
run TERM=xterm NO_COLOR=1 script -qec "'$demo' --pause=0 threads" /dev/null \
  </dev/null
[ "$status" -eq 0 ] || miss "status $status"
shows '^    \| threads-server listening'
shows_not $'\e\\[[0-9;]*m'
end

begin '--pause waits for Enter'
# The input has two lines and then ends, and so do the pauses.
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
  # The argument that is wrong is named, between quotes.
  case $words in
    "''") named=$words ;;
    *) named="'${words##* }'" ;;
  esac
  grep -qF -- "$named" "$room/err" || miss 'the wrong argument is not named'
  end
done

# ------------------------------------------------------------- Interrupted

interrupt() { # signal, status, line, word...
  begin "SIG$1 at: $3"
  run_interrupted "$1" "$3" "$demo" "${@:4}"
  # Shorter than any pause or time-out that it may have been in.
  [ "$took" -le 6 ] || miss 'it took long to end'
  check_traces "$2"
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

begin 'the reader of its output has gone'
run bash -c '"$0" process | head -n 5; exit ${PIPESTATUS[0]}' "$demo"
check_traces 141
end

# ------------------------------------------- Where what it claims is not so

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
wrong 'no client had to wait' NC=local-echo "$demo" threads
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

# ------------------------------------------------------- A netcat that is none

for language in en es; do
  begin "there is no such netcat, $language"
  run LANG=$language NC=no-such-netcat "$demo"
  check_traces 2
  [ ! -s "$room/out" ] || miss 'it began nevertheless'
  grep -q "'no-such-netcat'" "$room/err" || miss 'the program is not named'
  grep -q 'NC=none' "$room/err" || miss 'no way out is named'
  end
done
begin 'NC names a program that is no netcat'
run NC=true "$demo" threads
check_traces 1
grep -q "NC='true': that program has ended" "$room/err" ||
  miss 'it does not say that NC is wrong'
[ $((SECONDS - began)) -lt 10 ] || miss 'it took long to say so'
end
begin 'NC is nothing but a space'
run NC=' ' "$demo" --answer threads
check_traces 0
silent
end

total
