# shellcheck shell=bash
# shellcheck disable=SC2034 # the scripts use what is set here
#
# What scripts/demo.sh and scripts/balance.sh have in common: the language,
# lines and colours, the pauses, and an end that leaves nothing behind. Both
# source this file, from the root of the repository, before they read their
# arguments.

# ---------------------------------------------------------------- Language

# As the servers choose theirs: an option of their own first, then the locale
# variables in the order of POSIX, where an empty one counts as unset.
locale=${LC_ALL:-${LC_MESSAGES:-${LANG:-C}}}
language=en
case ${ECHO_LANGUAGE:-${locale%%[_.@]*}} in
  es) language=es ;;
esac

# Settings from the environment would change what the servers do, and with it
# what is to be seen. The language must be ours, and a silent client may stay
# for as long as a class discusses it.
unset "${!ECHO_@}"
export ECHO_LANGUAGE=$language ECHO_IDLE_TIMEOUT=0

# Prints the one of two texts that is in the language chosen.
pick() {
  case $language in
    es) printf '%s' "$2" ;;
    *) printf '%s' "$1" ;;
  esac
}

# ------------------------------------------------------------------- Lines

# How many columns a line may have: more than any line, unless a script calls
# `fit_the_terminal`.
width=9999

# Lines end where the terminal does, between two words; 80 columns at most,
# and 80 where there is no terminal.
fit_the_terminal() {
  local size
  width=${COLUMNS-}
  if [ -t 1 ] && { size=$(stty size <&3 2>/dev/null); } 3<&1; then
    width=${size#* }
  fi
  case $width in
    '' | 0 | *[!0-9]* | ?????*) width=80 ;;
  esac
  [ "$width" -le 80 ] || width=80
  [ "$width" -ge 40 ] || width=40
}

# What each line of a text begins and ends with, where it has a colour.
shade='' plain=''

# Prints a text in lines that fit. The first line begins with one indent, each
# further line with another; spaces within a line stay as they are.
wrap() { # indent, further indent, what ends a line that goes on, text
  local indent=$1 further=$2 mark=$3 rest=$4 line fits cut
  while :; do
    fits=$((width - ${#indent}))
    if [ ${#rest} -le "$fits" ]; then
      printf '%s%s%s%s\n' "$shade" "$indent" "$rest" "${shade:+$plain}"
      return
    fi
    # What fits, up to its last space; a longer word has its line for itself.
    cut=${rest:0:fits+1-${#mark}}
    line=${cut% *}
    if [ "$line" = "$cut" ] || [ -z "${line// /}" ]; then
      rest=${rest#"${rest%%[! ]*}"}
      line=${rest%% *}
      [ "$line" != "$rest" ] || mark=
    fi
    rest=${rest#"$line"}
    printf '%s%s%s%s%s\n' "$shade" "$indent" "${line%"${line##*[! ]}"}" \
      "$mark" "${shade:+$plain}"
    rest=${rest#"${rest%%[! ]*}"}
    indent=$further
    [ -n "$rest" ] || return 0
  done
}

# Colour is for terminals, and only an addition: the server's lines have their
# bar, the commands their prompt.
title='' prompt='' server_says='' typed=''
if [ -t 1 ] && [ -z "${NO_COLOR-}" ] && [ "${TERM-dumb}" != dumb ]; then
  # Bold and a colour together are unreadable in some palettes.
  title=$'\e[1m' prompt=$'\e[32m' server_says=$'\e[36m' typed=$'\e[33m'
  plain=$'\e[0m'
fi

# A text whose lines have a colour.
coloured() { # colour; then as `wrap`
  shade=$1
  shift
  wrap "$@"
  shade=
}

headline() { printf '\n'; coloured "$title" '' '' '' "$(pick "$@")"; }
say() { wrap '  ' '  ' '' "$(pick "$@")"; }

# ------------------------------------------------------------------ Pauses

# Seconds, or `enter`.
pause=0
[ -t 1 ] && pause=1.2

# Gives time to read and to explain.
rest() {
  case $pause in
    0) ;;
    enter)
      printf '%s' "$(pick '  [Enter]' '  [Intro]')"
      # Without a keyboard there is no key to wait for.
      read -r -s || pause=0
      # The prompt disappears from a terminal, and ends its line elsewhere.
      if [ -t 1 ]; then printf '\r\e[K'; else printf '\n'; fi
      ;;
    *)
      # In short naps: bash heeds a signal when a program has ended, and one
      # that comes just before a long wait would be heeded after it.
      local tenths=${pause/./}
      [[ $pause == *.* ]] || tenths+=0
      for ((tenths = 10#$tenths; tenths > 0; tenths--)); do sleep 0.1; done
      ;;
  esac
}

# Plays these scenes, which are functions, with a rest between two of them.
play() {
  local between=true scene
  for scene; do
    $between
    "$scene"
    between=rest
  done
}

# ------------------------------------------------------------- How it ends

# Makes the room, a directory for files. However the script ends from here on,
# no process of ours and no file stays behind.
open_room() { # name
  # Standard input may be closed from the start; then a pipe of ours could take
  # its number.
  if ! { true <&0; } 2>/dev/null; then exec </dev/null; fi
  room=$(mktemp -d "${TMPDIR:-/tmp}/$1.XXXXXX")
  trap clean_up EXIT
  # As a shell reports an end by signal: 128 and its number.
  trap 'exit 129' HUP
  # A terminal has printed ^C, if anything, and no newline.
  trap 'if [ -t 1 ]; then echo; fi; exit 130' INT
  trap 'exit 141' PIPE
  trap 'exit 143' TERM
}

clean_up() {
  # From here on nothing interrupts, and the shell reports no killed job.
  trap '' INT TERM HUP PIPE
  exec 2>/dev/null
  close_all
  # The first signal asks for a stop. The servers take the second one as an
  # order, and the last one, SIGKILL, no program can refuse.
  local try pids
  for try in {1..60}; do
    pids=$(jobs -pr)
    [ -n "$pids" ] || break
    # shellcheck disable=SC2086 # one word for each process
    case $try in
      1 | 20) kill -TERM $pids ;;
      40) kill -KILL $pids ;;
    esac || true
    sleep 0.1
  done
  rm -rf -- "$room"
}

# Closes our ends of all pipes and connections: they have these numbers.
close_all() { exec 3<&- 4>&- 5<&- 6>&- 7<&- 8>&- 9<&-; }

# Says what was not as claimed, and ends. If a client has complained, that may
# be why; otherwise its complaints, of being ended for instance, are of no use.
fail() {
  if [ -s "${room-}/complaints" ]; then cat "$room/complaints" >&2; fi
  wrap "$(pick 'NOT AS CLAIMED' 'NO ES LO AFIRMADO'): " '  ' '' \
    "$(pick "$@")" >&2
  exit 1
}
