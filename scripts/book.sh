#!/usr/bin/env bash
# The book, in both languages: scripts/book.sh [build | serve | pdf | check | …]
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
  cat <<'EOF'
scripts/book.sh             builds the book: target/book/index.html
scripts/book.sh serve [PORT] [--open]
                            builds it and shows it at http://127.0.0.1:3000/,
                            or at another port; --open opens the browser
scripts/book.sh pdf         prints it: target/book/book.en.pdf and book.es.pdf;
                            pdf --teacher: with answers and notes
scripts/book.sh check       checks everything; check NAME: one part of it:
                            builder, build, repeat, translation, identity,
                            sources, links, claims, browser, transcripts,
                            exercises, pages, terms
scripts/book.sh check --self-test
                            plants every fault once and sees the check fail
scripts/book.sh messages    writes docs/po/messages.pot: all that is translated
scripts/book.sh merge       brings docs/po/es.po up to the book
scripts/book.sh pages       writes SECURITY.es.md, docs/faults.es.md and
                            docs/soak.es.md from the English ones
EOF
}

# The program that builds the book is a workspace of its own, beside the
# servers' builds.
builder() { # cargo's command, arguments
  local command=$1
  shift
  cargo "$command" --quiet --locked --manifest-path docs/tools/builder/Cargo.toml \
    --target-dir "${CARGO_TARGET_DIR:-target}/builder" "$@"
}

book() { builder run -- "$@"; }

# A line in the language that the locale asks for, as the servers choose it.
pick() { # English, Spanish
  local locale=${LC_ALL:-${LC_MESSAGES:-${LANG:-C}}}
  case ${locale%%[_.@]*} in
    es) printf '%s\n' "$2" ;;
    *) printf '%s\n' "$1" ;;
  esac
}

# Builds what is needed, and says what goes on: the first time it takes minutes.
build_book() {
  local began=$SECONDS
  pick 'building the program that makes the book: two minutes the first time' \
    'compilando el programa que hace el libro: dos minutos la primera vez' >&2
  # Cargo shows its progress on a terminal, and only its errors elsewhere.
  local quiet=--quiet
  if [ -t 2 ]; then quiet=; fi
  # shellcheck disable=SC2086 # no word, or one
  cargo build $quiet --locked --manifest-path docs/tools/builder/Cargo.toml \
    --target-dir "${CARGO_TARGET_DIR:-target}/builder" >&2
  pick 'making the book, in English and in Spanish' \
    'haciendo el libro, en inglés y en español' >&2
  book build >/dev/null
  pick "made in $((SECONDS - began)) s: target/book/index.html" \
    "hecho en $((SECONDS - began)) s: target/book/index.html" >&2
}

mistake() {
  printf 'book.sh: %s\n' "$1" >&2
  exit 2
}

# What opens a page: xdg-open, or in WSL the browser of Windows.
open_page() { # address
  local program
  for program in xdg-open wslview explorer.exe open; do
    if command -v "$program" >/dev/null; then
      # explorer.exe ends with 1 although it has opened the page.
      "$program" "$1" >/dev/null 2>&1 || true
      return
    fi
  done
  pick "no program that opens a browser was found; open $1 yourself" \
    "no se encontró un programa que abra un navegador; abra usted $1" >&2
}

serve() { # PORT or --open, in any order
  local port=3000 browser=no argument
  for argument; do
    case $argument in
      --open) browser=yes ;;
      '' | *[!0-9]*)
        mistake "$(pick "'$argument' is no port; see book.sh --help" \
          "'$argument' no es un puerto; vea book.sh --help")"
        ;;
      *) port=$argument ;;
    esac
  done
  if [ "${#port}" -gt 5 ] || [ "$port" -lt 1 ] || [ "$port" -gt 65535 ]; then
    mistake "$(pick "$port is no port: ports are 1 to 65535" \
      "$port no es un puerto: los puertos van de 1 a 65535")"
  fi
  # Before the build: a port that is taken would be found minutes later.
  port_is_free "$port" || exit 1
  build_book
  serve_files "$port" "$browser"
}

# Whether the address can be listened on; otherwise one line says why not.
port_is_free() { # port
  local other=$(($1 < 65535 ? $1 + 1 : 3000))
  python3 - "$1" "$(pick 'cannot listen on port' \
    'no se puede escuchar en el puerto')" "$(pick \
    "another port: scripts/book.sh serve $other" \
    "otro puerto: scripts/book.sh serve $other")" <<'EOF'
import os, socket, sys
try:
    socket.create_server(("127.0.0.1", int(sys.argv[1]))).close()
except OSError as error:
    _, port, cannot, other = sys.argv
    why = os.strerror(error.errno)
    sys.exit(f"book.sh: {cannot} {port}: {why}; {other}")
EOF
}

serve_files() { # port, whether to open a browser
  local address=http://127.0.0.1:$1/ server tries
  python3 -m http.server --bind 127.0.0.1 --directory target/book "$1" \
    2>/dev/null &
  server=$!
  # However this ends, the server ends as well.
  # shellcheck disable=SC2064 # its process id is known now
  trap "kill $server 2>/dev/null || true" EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  for tries in {1..100}; do
    if python3 -c "import socket; socket.create_connection(
      ('127.0.0.1', $1), 1)" 2>/dev/null; then break; fi
    [ "$tries" -lt 100 ] || { echo 'book.sh: no server came up' >&2; exit 1; }
    sleep 0.1
  done
  pick "$address (Ctrl-C ends it)" "$address (Ctrl-C lo termina)"
  [ "$2" = no ] || open_page "$address"
  wait "$server"
}

# A session that is not what was recorded must be found.
changed_transcript() {
  local copy=docs/transcripts/self-test
  cp docs/transcripts/hola.session "$copy.session"
  sed 's/hola/adiós/' docs/transcripts/hola.out >"$copy.out"
  cp docs/transcripts/hola.es.out "$copy.es.out"
  local said
  said=$(docs/transcripts/transcripts.py check self-test || true)
  rm "$copy.session" "$copy.out" "$copy.es.out"
  if ! grep -q '^-.*adiós' <<<"$said"; then
    printf 'a changed transcript is not found: %s\n' "$said"
    return 1
  fi
  echo 'found: a changed transcript'
}

# The browser's driver, at the versions of its lock file.
driver() {
  if ! [ docs/tools/browser/node_modules/.package-lock.json -nt \
    docs/tools/browser/package-lock.json ]; then
    npm ci --prefix docs/tools/browser --silent --no-audit --no-fund
  fi
}

# Runs a part of the check, and says how long it took.
part() { # name, command...
  local name=$1 began=$SECONDS status=0
  shift
  "$@" || status=$?
  printf '%s: %s s\n' "$name" "$((SECONDS - began))"
  return "$status"
}

# All parts, also where one has failed. The sessions run alone: two threads show
# their race only while each has a core.
check_all() {
  local status=0
  driver
  part 'the tests of the builder' builder test || status=1
  part pages docs/po/pages.py check || status=1
  part terms docs/po/terms.py check || status=1
  part 'the book' book check || status=1
  part 'the tests of transcripts' docs/transcripts/transcripts_test.py || status=1
  part transcripts docs/transcripts/transcripts.py check || status=1
  part exercises docs/exercises/check.sh || status=1
  return "$status"
}

case "${1:-build}" in
build)
  build_book
  ;;
serve)
  serve "${@:2}"
  ;;
pdf)
  if [ "${2:-}" != '' ] && [ "${2:-}" != --teacher ]; then
    usage >&2
    exit 2
  fi
  driver
  book build
  for language in en es; do
    folder=target/book
    [ $language = en ] || folder=target/book/$language
    node docs/tools/browser/pdf.mjs "$folder" "target/book/book.$language.pdf" \
      "${@:2}"
  done
  ;;
check)
  case "${2:-}" in
  transcripts)
    docs/transcripts/transcripts_test.py
    docs/transcripts/transcripts.py check "${@:3}"
    ;;
  exercises) docs/exercises/check.sh "${@:3}" ;;
  builder) builder test ;;
  pages) docs/po/pages.py check ;;
  terms) docs/po/terms.py check ;;
  --self-test)
    driver
    part 'a changed transcript' changed_transcript
    part 'the planted words' docs/po/terms.py --self-test
    part 'the planted faults' book "$@"
    ;;
  '') check_all ;;
  *)
    driver
    book "$@"
    ;;
  esac
  ;;
messages)
  book messages docs/po
  ;;
pages)
  docs/po/pages.py write
  ;;
merge)
  book messages docs/po
  # msgmerge guesses nothing: a message that has changed is translated again.
  msgmerge --quiet --update --backup=none --no-fuzzy-matching --no-wrap \
    docs/po/es.po docs/po/messages.pot
  # Translations of texts that the book no longer has are removed.
  msgattrib --no-obsolete --no-wrap --output-file=docs/po/es.po docs/po/es.po
  rm docs/po/messages.pot
  msgfmt --statistics --output-file=/dev/null docs/po/es.po
  ;;
-h | --help | help)
  usage
  ;;
*)
  usage >&2
  exit 2
  ;;
esac
