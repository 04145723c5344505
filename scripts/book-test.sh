#!/usr/bin/env bash
#
# Tests how scripts/book.sh serve behaves, without building a book: a cargo
# that only notes that it was called stands in the place of the real one.

set -uo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." >/dev/null || exit

room=$(mktemp -d)
trap 'rm -rf -- "$room"; kill "${taker-}" 2>/dev/null' EXIT
unset LC_ALL LC_MESSAGES
export LANG=C
mkdir "$room/bin"
cat >"$room/bin/cargo" <<'END'
#!/bin/sh
echo "$*" >>"$0.calls"
END
cat >"$room/bin/xdg-open" <<'END'
#!/bin/sh
echo "$*" >>"$0.calls"
END
chmod +x "$room/bin/"*
export PATH="$room/bin:$PATH"

failed=0
check() { # what must be so, status of a test
  if [ "$2" -eq 0 ]; then
    printf 'ok    %s\n' "$1"
  else
    failed=1
    printf 'FAIL  %s\n' "$1"
    sed 's/^/      | /' "$room/out" "$room/err"
  fi
}

# A port that something else listens on.
python3 -c 'import socket, time
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
time.sleep(600)' >"$room/port" &
taker=$!
until [ -s "$room/port" ]; do sleep 0.1; done
port=$(cat "$room/port")

for language in en es; do
  LANG=$language scripts/book.sh serve "$port" >"$room/out" 2>"$room/err"
  [ $? -eq 1 ] && [ ! -s "$room/out" ] && [ "$(wc -l <"$room/err")" -eq 1 ] &&
    grep -q " $port: " "$room/err"
  check "a busy port is one line, $language" $?
  [ ! -e "$room/bin/cargo.calls" ]
  check "and it comes before the build, $language" $?
done
grep -q 'no se puede escuchar' "$room/err"
check 'in Spanish where that is asked for' $?
kill "$taker"
wait "$taker" 2>/dev/null

for words in nonsense 0 65536 99999999999999999999 "''"; do
  bash -c "scripts/book.sh serve $words" >"$room/out" 2>"$room/err"
  [ $? -eq 2 ] && [ "$(wc -l <"$room/err")" -eq 1 ] &&
    grep -qF "${words//\'/}" "$room/err"
  check "no port, and named: $words" $?
done

# The port is free again; the browser is opened when the server answers.
scripts/book.sh serve "$port" --open >"$room/out" 2>"$room/err" &
shown=$!
for _ in {1..100}; do
  [ ! -s "$room/bin/xdg-open.calls" ] || break
  sleep 0.1
done
grep -qx "http://127.0.0.1:$port/" "$room/bin/xdg-open.calls"
check '--open opens the address' $?
grep -q "^http://127.0.0.1:$port/" "$room/out"
check 'the address is printed' $?
grep -q '^building ' "$room/err" && grep -q '^making ' "$room/err"
check 'it says what goes on while it builds' $?
kill -TERM "$shown"
wait "$shown"
[ $? -eq 143 ]
check 'a signal ends it' $?
python3 -c "import socket; socket.create_server(('127.0.0.1', $port))" \
  >"$room/out" 2>"$room/err"
check 'and its server: the port is free' $?

exit $failed
