#!/usr/bin/env bash
#
# Shows what the three servers are for: first a server that serves one client
# after the other, where a silent one keeps all others waiting; then the same
# server as it is meant, where the silent one stays and two others are served.
# Every step is checked, so that this is a test as well: the exit status is 0
# only if all that is claimed was seen.
#
# The functions come in the order in which a reader needs them: what is said,
# the server, the clients, and then the two scenes themselves. Begin at
# `the_problem` if you only want the story.

set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." >/dev/null
# Language, pauses, what is printed, and how it ends.
# shellcheck source=scripts/scene.sh
. scripts/scene.sh
fit_the_terminal

# ------------------------------------------------------------ Command line

# An option and what it does, in two columns.
option() { # option, its meaning in two languages
  wrap "$(printf '  %-17s ' "$1")" '                    ' '' \
    "$(pick "$2" "$3")"
}

# A paragraph.
paragraph() { printf '\n'; wrap '' '' '' "$(pick "$@")"; }

usage() {
  wrap '' '  ' '' "$(pick \
    'Usage: scripts/demo.sh [threads|process|mux|all] [OPTION]...' \
    'Uso: scripts/demo.sh [threads|process|mux|all] [OPCIÓN]...')"
  paragraph \
    'Runs the servers and real netcat clients, and shows who waits for whom.' \
    'Ejecuta los servidores y clientes netcat reales, y muestra quién espera a '\
'quién.'
  printf '\n'
  option --pause 'waits for Enter after each step' \
    'espera la tecla Intro después de cada paso'
  option "--pause=$(pick SECONDS SEGUNDOS)" \
    'rests that long; 1.2 on a terminal if not given, else 0' \
    'descansa ese tiempo; si falta, 1.2 en una terminal, si no 0'
  option --problem 'only the problem: the server that serves one by one' \
    'solo el problema: el servidor que atiende de uno en uno'
  option --answer 'only the answer: the server as it is meant' \
    'solo la respuesta: el servidor como debe ser'
  option --help 'prints this' 'muestra esta ayuda'
  paragraph "NC=PROGRAM chooses the netcat, as in NC='busybox nc'; NC=none \
the client that comes with the servers. NO_COLOR=1 turns the colours off." \
    "NC=PROGRAMA elige el netcat, como en NC='busybox nc'; NC=none, el \
cliente que acompaña a los servidores. NO_COLOR=1 desactiva los colores."
}

# Names what is wrong with the command line, or with NC, and ends.
mistake() {
  wrap 'demo.sh: ' '  ' '' "$(pick "$@")" >&2
  wrap '  ' '  ' '' "$(pick 'scripts/demo.sh --help shows what it takes.' \
    'scripts/demo.sh --help muestra lo que acepta.')" >&2
  exit 2
}

approaches=
scenes='the_problem the_answer'
for argument; do
  case $argument in
    threads | process | mux | all)
      [ -z "$approaches" ] || mistake \
        "'$argument' comes after '$approaches': only one of them can be shown" \
        "'$argument' viene después de '$approaches': solo se muestra uno"
      approaches=$argument
      ;;
    --pause) pause=enter ;;
    --pause=[0-9] | --pause=[0-9][0-9]) pause=${argument#*=} ;;
    --pause=[0-9].[0-9] | --pause=[0-9][0-9].[0-9]) pause=${argument#*=} ;;
    --problem) scenes=the_problem ;;
    --answer) scenes=the_answer ;;
    -h | --help) usage; exit 0 ;;
    --pause=*)
      mistake "'$argument': a pause is 0 to 99 seconds, as in 2 or 1.5" \
        "'$argument': una pausa es de 0 a 99 segundos, como 2 o 1.5"
      ;;
    *)
      mistake "there is no argument '$argument'" \
        "no existe el argumento '$argument'"
      ;;
  esac
done
case ${approaches:=all} in
  all) approaches='threads process mux' ;;
esac

# A netcat that is chosen must be a program; whether it is a netcat can only
# be seen when it connects.
read -r -a chosen <<<"${NC-}"
if [ ${#chosen[@]} -gt 0 ] && [ "${chosen[0]}" != none ] &&
  ! command -v "${chosen[0]}" >/dev/null; then
  mistake "NC='$NC': there is no program '${chosen[0]}' here; \
NC=none takes the client that comes with the servers" \
    "NC='$NC': aquí no existe el programa '${chosen[0]}'; \
NC=none toma el cliente que acompaña a los servidores"
fi

# --------------------------------------------------------------- What is said

conclude() { coloured "$title" '  ' '  ' '' "$(pick "$@")"; }
# A command that does not fit goes on as it would be typed.
show_command() { coloured "$prompt" '    $ ' '        ' " \\" "$1"; }
show_terminal() { coloured "$typed" '    ' '        ' '' "$*"; }
show_server() { coloured "$server_says" '    | ' '    |   ' '' "$1"; }

# Runs a command line as it is shown; what it printed is left in `output`.
run() {
  show_command "$1"
  output=$(eval "$1") || true
  while IFS= read -r line; do
    wrap '    ' '      ' '' "${line%"${line##*[! ]}"}"
  done <<<"$output"
}

# ---------------------------------------------------------------- The server

open_room demo

# The pipe from the server to us is named, so that what runs at its other end
# is the server itself and `$!` its process id.
mkfifo "$room/server"

# Starts the server with these options more, and waits until it is ready.
start_server() {
  # Port 0 takes any free port. `until-eof`: a client stays until it leaves.
  set -- "$program" --port 0 --serve until-eof "$@"
  show_command "$*"
  "$@" >"$room/server" 2>&1 &
  server=$!
  exec 3<"$room/server"
  listen
  local start
  start="$program $(pick 'listening on' 'escuchando en') 127.0.0.1:"
  case $line in
    "$start"*) port=${line#"$start"} ;;
    *) fail 'the server did not start' 'el servidor no arrancó' ;;
  esac
}

# The client that was started last and of which the server has said nothing
# yet. If it has ended, the server never will.
newcomer=
client_has_ended() {
  if [ ${#chosen[@]} -gt 0 ]; then
    fail "NC='$NC': that program has ended and not connected; is it a netcat?" \
      "NC='$NC': ese programa terminó sin conectarse; ¿es un netcat?"
  fi
  fail 'the client has ended and not connected' \
    'el cliente terminó sin conectarse'
}

# Waits for the server's next line, and shows it.
listen() {
  local part status tries=0
  line=''
  # A limit for the case of failure only: the line is awaited, not the time. A
  # part of a line that came before the limit is kept.
  while :; do
    status=0
    IFS= read -r -t 1 -u 3 part || status=$?
    line+=$part
    [ "$status" -ne 0 ] || break
    # Above 128 the second has passed; else this is the end of its output.
    [ "$status" -gt 128 ] || fail "the server has ended: $line" \
      "el servidor terminó: $line"
    tries=$((tries + 1))
    [ -z "$newcomer" ] || [ $tries -lt 2 ] ||
      jobs -pr | grep -qx "$newcomer" || client_has_ended
    [ $tries -lt 10 ] ||
      fail 'the server said nothing for 10 s' 'el servidor calló durante 10 s'
  done
  newcomer=
  show_server "$line"
}

# The same for an event of a client: who served it is left in `who`.
hear() {
  local event
  event=$(pick "$@")
  listen
  # Three columns: who, the client's address, the event.
  local columns='^([a-z]+( [0-9]+)?) +127\.0\.0\.1:[0-9]+  (.*)$'
  [[ $line =~ $columns ]] || BASH_REMATCH=()
  [ "${BASH_REMATCH[3]-}" = "$event" ] ||
    fail "expected: $event" "se esperaba: $event"
  who=${BASH_REMATCH[1]}
}

# Ctrl-C for the server alone. One client is still connected; the totals must
# be exact.
stop_server() { # clients served, bytes received and sent
  show_command "kill -INT $server"
  kill -INT "$server"
  hear 'closed: server stopping' 'cerrado: el servidor se detiene'
  listen
  local totals
  totals="$program $(pick \
    "stopped: $1 clients served, $2 bytes received, $2 bytes sent" \
    "detenido: $1 clientes atendidos, $2 bytes recibidos, $2 bytes enviados")"
  [ "$line" = "$totals" ] || fail "expected: $totals" "se esperaba: $totals"
  # Its output ends when the last process that holds it has ended.
  ! IFS= read -r -t 10 -u 3 line ||
    fail 'there was a line after the last' 'hubo una línea tras la última'
  wait "$server" || fail "the server's exit status: $?" \
    "el servidor terminó con estado $?"
  exec 3<&-
}

# --------------------------------------------------------------- The clients

# Two pipes each: what is typed into it, and what it prints.
for name in silent ana beto; do
  mkfifo "$room/$name.keyboard" "$room/$name.screen"
done

# Which netcat this is decides how it says that its input has ended, which
# the servers wait for: OpenBSD's and the traditional one must be told to.
choose_netcat() {
  local words=() candidate help
  case ${chosen[*]-} in
    none) ;;
    '')
      for candidate in nc ncat netcat busybox; do
        command -v "$candidate" >/dev/null || continue
        words=("$candidate")
        [ "$candidate" != busybox ] || words+=(nc)
        break
      done
      ;;
    *) words=("${chosen[@]}") ;;
  esac
  if [ ${#words[@]} -eq 0 ]; then
    say 'No netcat: the client of common/examples takes its place.' \
      'Sin netcat: lo reemplaza el cliente de common/examples.'
    build 'cargo build -p common --example client' client
    words=(client)
    goodbye=Ctrl-D
  else
    help=$("${words[@]}" -h 2>&1 </dev/null || true)
    goodbye=Ctrl-D
    case $help in
      *OpenBSD*) words+=(-N) ;;
      *v1.10*) words+=(-q 10) ;;
      *Ncat* | *BusyBox*) ;;
      # macOS's and the unknown: they may keep the end of input to themselves,
      # so their users leave by ending the program.
      *) goodbye=Ctrl-C ;;
    esac
  fi
  netcat=("${words[@]}")
  # Should one hang, it does not hang for ever; but where a teacher explains
  # between the steps, a minute is not enough. macOS has no timeout.
  limited=("${netcat[@]}")
  if command -v timeout >/dev/null; then
    case $pause in
      0 | 1.2) limited=(timeout 90 "${netcat[@]}") ;;
      *) limited=(timeout 7200 "${netcat[@]}") ;;
    esac
  fi
}

# Connects a client. Its keyboard and its screen get these numbers: the silent
# one 4 and 5, Ana 6 and 7, Beto 8 and 9; 3 is the server's.
connect() { # name, keyboard, screen
  local keyboard=$room/$1.keyboard screen=$room/$1.screen
  show_command "${netcat[*]} 127.0.0.1 $port"
  # A child inherits our pipes. With a copy of the user's keyboard
  # that keyboard's end of file would never come.
  "${limited[@]}" 127.0.0.1 "$port" <"$keyboard" >"$screen" \
    2>>"$room/complaints" 3<&- 4>&- 5<&- 6>&- 7<&- 8>&- 9<&- &
  newcomer=$!
  # Only numbers that are written out can be redirected in every bash.
  eval "exec $2>\"\$keyboard\" $3<\"\$screen\""
}

# A client types a line.
type_line() { # name, text, keyboard
  printf '%s\n' "$2" >&"$3"
  show_terminal "$1 > $2"
}

# A client's screen must show the reply, which is what it has sent.
read_reply() { # name, text, screen
  line=
  IFS= read -r -t 10 -u "$3" line || fail 'no reply' 'no hay respuesta'
  show_terminal "$1 < $line"
  [ "$line" = "$2" ] || fail "expected: $2" "se esperaba: $2"
}

# A client leaves: by the end of its input, or by being ended.
leave() { # process, keyboard, screen, Ctrl-C or Ctrl-D
  eval "exec $2>&-"
  # One that has left already may have passed on its number.
  if [ "$4" = Ctrl-C ] && jobs -pr | grep -qx "$1"; then
    kill "$1" 2>/dev/null || true
  fi
  # The end of its output is its own end.
  ! IFS= read -r -t 10 -u "$3" line ||
    fail "the client printed: $line" "el cliente mostró: $line"
  wait "$1" 2>/dev/null || true
  eval "exec $3<&-"
}

# ---------------------------------------------------------------- The scenes

# A line that a client sends, and with its newline the bytes of it.
from_ana=$(pick 'I am Ana' 'soy Ana')
from_beto=$(pick 'I am Beto' 'soy Beto')
from_silent=$(pick 'here at last' 'por fin hablo')
ana_bytes=$((${#from_ana} + 1))
beto_bytes=$((${#from_beto} + 1))
silent_bytes=$((${#from_silent} + 1))

# The server serves one client, and from first to last.
hear_message() { # text, bytes
  hear "received $2 bytes: $1\\n" "recibidos $2 bytes: $1\\n"
  hear "sent $2 bytes" "enviados $2 bytes"
}

the_problem() {
  headline 'The problem: a silent client keeps the others waiting' \
    'El problema: un cliente callado hace esperar a los demás'
  say 'A server that serves one client at a time:' \
    'Un servidor que atiende a un solo cliente por vez:'
  start_server --max-clients 1
  rest
  say 'A client connects and says nothing:' \
    'Un cliente se conecta y no dice nada:'
  connect silent 4 5
  silent=$!
  hear 'connected' 'conectado'
  rest
  say 'Ana connects, too, and types a line:' \
    'Ana también se conecta, y escribe una línea:'
  connect ana 6 7
  ana=$!
  type_line Ana "$from_ana" 6
  # The one place where the passing of time is the point.
  line=
  ! IFS= read -r -t 1 -u 7 line ||
    fail "Ana did not have to wait: $line" "Ana no tuvo que esperar: $line"
  # A complaint of her netcat is a reason; who waits is no newcomer.
  newcomer=
  conclude 'One second later: no reply.' 'Un segundo después: sin respuesta.'
  rest
  queue_seen
  rest
  say 'The silent client leaves (Ctrl-C), and only now it is her turn:' \
    'El cliente callado se va (Ctrl-C), y solo ahora le toca a ella:'
  leave "$silent" 4 5 Ctrl-C
  hear 'closed' 'cerrado'
  hear 'connected' 'conectado'
  hear_message "$from_ana" "$ana_bytes"
  read_reply Ana "$from_ana" 7
  rest
  say 'Ctrl-C for the server:' 'Ctrl-C para el servidor:'
  stop_server 2 "$ana_bytes"
  leave "$ana" 6 7 Ctrl-C
}

# What the kernel holds for the server: a connection that it has not accepted,
# and in its queue the bytes that it has not received.
queue_seen() {
  visible ss || return 0
  say "The kernel shows why. The second column is what waits: 1 connection \
for the server to accept it, and Ana's $ana_bytes bytes to be received." \
    "El kernel muestra por qué. La segunda columna es lo que espera: 1 \
conexión a que el servidor la acepte, y $ana_bytes bytes de Ana a ser \
recibidos."
  run "ss -Htna sport = :$port"
  claim 'LISTEN 1' "$(count '^LISTEN +1 ')" 1
  claim "ESTAB $ana_bytes" "$(count "^ESTAB +$ana_bytes ")" 1
  claim 'ESTAB 0' "$(count '^ESTAB +0 ')" 1
  conclude 'The kernel has connected her; the server has not accepted her.' \
    'El kernel la conectó; el servidor no la aceptó.'
}

the_answer() {
  case $approach in
    threads) headline 'The answer: a thread for each client' \
      'La respuesta: un hilo para cada cliente' ;;
    process) headline 'The answer: a process for each client' \
      'La respuesta: un proceso para cada cliente' ;;
    mux) headline 'The answer: one loop that waits for all clients at once' \
      'La respuesta: un bucle que espera a todos los clientes a la vez' ;;
  esac
  start_server
  say 'Again a client connects and says nothing:' \
    'Otra vez un cliente se conecta y no dice nada:'
  connect silent 4 5
  silent=$!
  hear 'connected' 'conectado'
  silent_by=$who
  rest
  say 'Ana connects, types a line, and has her reply at once:' \
    'Ana se conecta, escribe una línea y tiene su respuesta enseguida:'
  connect ana 6 7
  ana=$!
  hear 'connected' 'conectado'
  ana_by=$who
  type_line Ana "$from_ana" 6
  hear_message "$from_ana" "$ana_bytes"
  read_reply Ana "$from_ana" 7
  rest
  say 'So does Beto:' 'Beto también:'
  connect beto 8 9
  beto=$!
  hear 'connected' 'conectado'
  beto_by=$who
  type_line Beto "$from_beto" 8
  hear_message "$from_beto" "$beto_bytes"
  read_reply Beto "$from_beto" 9
  rest
  "${approach}_seen"
  rest
  say "Ana and Beto leave ($goodbye):" "Ana y Beto se van ($goodbye):"
  leave "$ana" 6 7 "$goodbye"
  hear 'closed' 'cerrado'
  leave "$beto" 8 9 "$goodbye"
  hear 'closed' 'cerrado'
  rest
  say 'And now the silent client speaks, and is answered as well:' \
    'Y ahora habla el cliente callado, y también recibe respuesta:'
  type_line "$(pick Silent Callado)" "$from_silent" 4
  hear_message "$from_silent" "$silent_bytes"
  [ "$who" = "$silent_by" ] ||
    fail "served by $who, not $silent_by" "atendido por $who, no $silent_by"
  read_reply "$(pick Silent Callado)" "$from_silent" 5
  rest
  say 'Ctrl-C for the server:' 'Ctrl-C para el servidor:'
  stop_server 3 $((ana_bytes + beto_bytes + silent_bytes))
  leave "$silent" 4 5 Ctrl-C
}

# Who serves whom, now that all three are connected: what the server has said
# is compared with what the system says.

# A count must be as claimed.
claim() { # what, how many, how many there should be
  [ "$2" -eq "$3" ] || fail "$1: $2, not $3" "$1: $2, no $3"
}

# How many lines of the output match.
count() { grep -cE -- "$1" <<<"$output" || true; }

# Whether the system shows what it does as Linux does, and has the tool for it.
visible() { # tool, if one is needed
  [ -d "/proc/$server/task" ] && command -v "${1:-true}" >/dev/null && return
  say '(How to see it on this system is not known here.)' \
    '(Aquí no se sabe cómo verlo en este sistema.)'
  return 1
}

# The threads of the server, one for each line, its name at the end.
run_ps_threads() {
  if ps -T -p "$server" >/dev/null 2>&1; then
    run "ps -T -p $server"
  else
    run "cat /proc/$server/task/*/comm"
  fi
}

threads_seen() {
  case "$silent_by/$ana_by/$beto_by" in
    "$(pick 'thread 1/thread 2/thread 3' 'hilo 1/hilo 2/hilo 3')") ;;
    *) fail 'not a thread for each' 'no hay un hilo para cada uno' ;;
  esac
  say 'The first thread accepts. Each of the others has its client:' \
    'El primer hilo acepta. Cada uno de los otros tiene su cliente:'
  if visible; then
    # The server names its threads for the system in English, in any language.
    case $language in
      es) say '' 'El sistema los muestra en inglés: «thread 1» es el hilo 1.' ;;
    esac
    run_ps_threads
    claim 'threads-server' "$(count 'threads-server$')" 1
    claim 'thread 1, 2, 3' "$(count 'thread [123]$')" 3
  fi
  conclude 'Thread 1 waits for the silent client; 2 served Ana, 3 Beto.' \
    'El hilo 1 espera al callado; el 2 atendió a Ana, el 3 a Beto.'
}

process_seen() {
  # What follows the word is the process id.
  local s=${silent_by##* } a=${ana_by##* } b=${beto_by##* } id
  say 'The server has created three processes, one for each client:' \
    'El servidor ha creado tres procesos, uno para cada cliente:'
  if visible; then
    if ps --ppid "$server" >/dev/null 2>&1; then
      run "ps -o pid,ppid,comm --ppid $server"
      claim 'process-server' "$(count 'process-server$')" 3
    else
      run "cat /proc/$server/task/$server/children"
      claim 'process-server' "$(wc -w <<<"$output")" 3
    fi
    for id in "$s" "$a" "$b"; do
      claim "process $id" "$(count "(^| )$id( |\$)")" 1
    done
  fi
  conclude "Process $s waits for the silent client; $a served Ana, $b Beto." \
    "El proceso $s espera al callado; $a atendió a Ana, $b a Beto."
}

mux_seen() {
  case "$silent_by/$ana_by/$beto_by" in
    "$(pick 'loop/loop/loop' 'bucle/bucle/bucle')") ;;
    *) fail 'not one loop' 'no es un solo bucle' ;;
  esac
  say 'One thread, and four sockets: one that listens, three clients:' \
    'Un solo hilo, y cuatro sockets: uno que escucha, tres clientes:'
  if visible; then
    run_ps_threads
    claim 'mux-server' "$(count 'mux-server$')" 1
    claim 'threads' "$(find "/proc/$server/task" -mindepth 1 -maxdepth 1 |
      wc -l)" 1
    run "ls -l /proc/$server/fd | grep -c socket"
    claim 'sockets' "$output" 4
  fi
  conclude \
    'The loop does not wait for the silent client: it serves those who speak.' \
    'El bucle no espera al cliente callado: atiende a los que hablan.'
}

# ------------------------------------------------------------------- The play

# Shows what cargo has built so far while it builds, and keeps where the
# programs are: cargo tells of each part, one JSON object a line. A terminal
# has a line that changes, a file or a pipe a line every ten seconds.
watch_build() { # one of the programs
  local message='' part number=0 began=$SECONDS told=0 status passed
  while :; do
    status=0
    IFS= read -r -t 1 part || status=$?
    message+=$part
    # Above 128: a second has passed, and the message goes on.
    if [ "$status" -eq 0 ]; then
      case $message in
        *'"reason":"compiler-artifact"'*'"fresh":false'*)
          number=$((number + 1)) ;;
      esac
      case $message in
        *"\"executable\":\""*"/$1\""*)
          message=${message##*\"executable\":\"}
          printf '%s' "${message%%/"$1"\"*}" >"$room/place" ;;
      esac
      message=
    elif [ "$status" -le 128 ]; then
      break
    fi
    passed=$((SECONDS - began))
    # Nothing is said of parts that were there already.
    [ "$number" -gt 0 ] || continue
    if [ "$passed" -gt "$told" ] && [ -t 1 ]; then
      printf '\r  %s\e[K' "$(pick "parts built: $number, after $passed s" \
        "partes compiladas: $number, tras $passed s")"
      told=$passed
    elif [ ! -t 1 ] && [ "$passed" -ge $((told * 10 + 2)) ]; then
      told=$((told + 1))
      say "(building: $number parts so far; the first time takes a minute)" \
        "(compilando: $number partes hasta ahora; la primera vez tarda un \
minuto)"
    fi
  done
  if [ -t 1 ] && [ $told -gt 0 ]; then printf '\r\e[K'; fi
}

# Builds, and lets a command run as it is shown here, without its directory.
build() { # command, one of the programs that it makes
  show_command "$1"
  : >"$room/place"
  $1 --quiet --message-format=json-render-diagnostics | watch_build "$2" ||
    fail 'it does not build' 'no compila'
  PATH=$(cat "$room/place"):$PATH
}

build 'cargo build' threads-server
choose_netcat
between=true
for approach in $approaches; do
  $between
  program=$approach-server
  case $approach in
    threads) headline "=== $program: one thread for each connection ===" \
      "=== $program: un hilo por cada conexión ===" ;;
    process) headline "=== $program: one process for each connection ===" \
      "=== $program: un proceso por cada conexión ===" ;;
    mux) headline "=== $program: one loop for all connections ===" \
      "=== $program: un bucle para todas las conexiones ===" ;;
  esac
  # shellcheck disable=SC2086 # one word for each scene
  play $scenes
  between=rest
  # The problem is the same for all three, so it is played once.
  scenes=${scenes#the_problem}
  [ -n "$scenes" ] || break
done
