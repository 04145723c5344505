# shellcheck shell=bash
# shellcheck disable=SC2034 # the tests use what is set here
#
# What scripts/demo-test.sh and scripts/balance-test.sh have in common. Both
# source this file from the root of the repository. A case is a run of a script
# and what must be so afterwards:
#
#     begin 'its name'
#     run VARIABLE=VALUE... program word...
#     check_traces 0
#     shows 'a pattern'
#     end

# Where this was started in the background, SIGINT is ignored, and neither this
# shell nor one that it starts could change that; env(1) can.
if [ -z "${CASES_SIGNALS:-}" ] && env --default-signal=INT true 2>/dev/null
then
  export CASES_SIGNALS=default
  exec env --default-signal=INT,TERM,HUP bash "scripts/${0##*/}" "$@"
fi

# A name with a space, for all that a script puts into its own files.
room=$(mktemp -d)
trap 'rm -rf -- "$room"' EXIT
mkdir "$room/its files"

# The environment of this shell must not decide what is tested.
unset LC_ALL LC_MESSAGES NC NO_COLOR ECHO_LANGUAGE
export LANG=C TMPDIR="$room/its files"

# Each case is a run and then any number of these; the first miss is told.
passed=0 failed=0
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

# The last line of a test, and its exit status.
total() {
  printf '%d passed, %d failed\n' "$passed" "$failed"
  [ "$failed" -eq 0 ]
}

# ---------------------------------------------------------------- The runs

# Runs a program, in the foreground, with this environment and these words.
run=0
run() { # VARIABLE=VALUE... program word...
  run=$((run + 1))
  env CASES_RUN=$run "$@" >"$room/out" 2>"$room/err"
  status=$?
}

# The same, and sends a signal, as a terminal does, to the process group of the
# program when it has printed a certain line. The seconds from the signal to
# the end are left in `took`.
run_interrupted() { # signal, line, program word...
  local signal=$1 at=$2 line group sent=no
  shift 2
  run=$((run + 1))
  : >"$room/out"
  mkfifo "$room/pipe"
  # Job control gives a background job its own group, and SIGINT back to it.
  set -m
  env CASES_RUN=$run "$@" >"$room/pipe" 2>"$room/err" &
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
  status=$? took=0
  rm "$room/pipe"
  if [ $sent = no ]; then
    miss 'the line never came'
  else
    took=$((SECONDS - sent))
  fi
}

# -------------------------------------------------- What must be so afterwards

# A process that has just been killed may take a moment to be gone. It is
# looked for so many times, with a tenth of a second between two of them.
looks=20

check_traces() { # expected status
  [ "$status" -eq "$1" ] || miss "status $status, not $1"
  local left look
  for ((look = 1; look <= looks; look++)); do
    left=$(left_behind)
    [ -n "$left" ] || break
    [ "$look" -lt "$looks" ] || miss "left behind: $left"
    sleep 0.1
  done
  [ -z "$(ls -A "$TMPDIR")" ] || miss "files left: $(ls "$TMPDIR")"
  fits 80
}

# Processes of a run are known by a variable that they inherit, whatever group
# or session they have moved to.
left_behind() {
  grep -lzsx "CASES_RUN=$run" /proc/[0-9]*/environ | cut -d/ -f3 | xargs
}

# No line is longer, counted in columns, not bytes.
fits() { # columns
  local long
  long=$(LC_ALL=C.UTF-8 grep -hE "^.{$(($1 + 1))}" "$room/out" "$room/err")
  [ -z "$long" ] || miss "longer than $1 columns: $long"
}

shows() { grep -qE -- "$1" "$room/out" || miss "does not show: $1"; }
shows_not() { ! grep -qE -- "$1" "$room/out" || miss "shows: $1"; }
silent() { [ ! -s "$room/err" ] || miss "said: $(head -n 1 "$room/err")"; }
