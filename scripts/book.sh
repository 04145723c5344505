#!/usr/bin/env bash
# The book, in both languages: scripts/book.sh [build | serve | pdf | check | …]
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
  cat <<'EOF'
scripts/book.sh             builds the book: target/book/index.html
scripts/book.sh serve       builds it and shows it at http://127.0.0.1:3000/
scripts/book.sh pdf         prints it: target/book/book.en.pdf and book.es.pdf;
                            pdf --teacher: with answers and notes
scripts/book.sh check       checks everything; check NAME: one part of it:
                            builder, build, repeat, translation, identity,
                            sources, links, claims, browser, transcripts,
                            exercises
scripts/book.sh check --self-test
                            plants every fault once and sees the check fail
scripts/book.sh messages    writes docs/po/messages.pot: all that is translated
scripts/book.sh merge       brings docs/po/es.po up to the book
EOF
}

# What builds it is a workspace of its own, beside the servers' builds.
builder() { # cargo's command, arguments
  local command=$1
  shift
  cargo "$command" --quiet --locked --manifest-path docs/builder/Cargo.toml \
    --target-dir "${CARGO_TARGET_DIR:-target}/builder" "$@"
}

book() { builder run -- "$@"; }

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
  if ! [ docs/browser/node_modules/.package-lock.json -nt \
    docs/browser/package-lock.json ]; then
    npm ci --prefix docs/browser --silent --no-audit --no-fund
  fi
}

case "${1:-build}" in
build)
  book build
  echo 'target/book/index.html'
  ;;
serve)
  book build
  port=${2:-3000}
  echo "http://127.0.0.1:$port/"
  python3 -m http.server --bind 127.0.0.1 --directory target/book "$port"
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
    node docs/browser/pdf.mjs "$folder" "target/book/book.$language.pdf" \
      "${@:2}"
  done
  ;;
check)
  case "${2:-}" in
  transcripts) docs/transcripts/transcripts.py check "${@:3}" ;;
  exercises) docs/exercises/check.sh "${@:3}" ;;
  builder) builder test ;;
  --self-test)
    driver
    changed_transcript
    book "$@"
    ;;
  '')
    driver
    builder test
    book check
    docs/transcripts/transcripts.py check
    docs/exercises/check.sh
    ;;
  *)
    driver
    book "$@"
    ;;
  esac
  ;;
messages)
  book messages docs/po
  ;;
merge)
  book messages docs/po
  # Nothing is guessed: what has changed is translated again.
  msgmerge --quiet --update --backup=none --no-fuzzy-matching --no-wrap \
    docs/po/es.po docs/po/messages.pot
  # What is no longer in the book goes.
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
