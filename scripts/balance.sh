#!/usr/bin/env bash
#
# Shows the three servers behind a load balancer, HAProxy, as if each of them
# were on a machine of its own: who serves whom; what the clients see when one
# server is killed; and how all three are replaced, one after the other, while
# no client loses an exchange. Every claim is checked, so that this is a test
# as well: the exit status is 0 only if all that is claimed was seen.
#
# Begin at `who_serves` if you only want the story.

set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." >/dev/null
# Language, pauses, what is printed, and how it ends.
# shellcheck source=scripts/scene.sh
. scripts/scene.sh

# ------------------------------------------------------------ Command line

usage() {
  pick "\
Usage: scripts/balance.sh [threads|process|mux] [OPTION]...

Runs the three servers behind HAProxy, and shows who serves whom, what clients
see when a server is killed (threads, if none is named), and how all three are
replaced under load without a lost exchange.

  --pause          waits for Enter after each step
  --pause=SECONDS  rests that long; 1.2 on a terminal if not given, else 0
  --who            only the first scene: who serves whom
  --kill           only the second: a server is killed under load
  --rolling        only the third: the rolling restart
  --short          less load, one rolling restart instead of three
  --loopback       127.0.0.2, 127.0.0.3, 127.0.0.4 instead of namespaces
  --help           prints this

NO_COLOR=1 turns the colours off.
" "\
Uso: scripts/balance.sh [threads|process|mux] [OPCIÓN]...

Ejecuta los tres servidores detrás de HAProxy, y muestra quién atiende a quién,
qué ven los clientes cuando se mata un servidor (threads, si no se nombra uno)
y cómo se reemplazan los tres bajo carga sin perder un intercambio.

  --pause           espera la tecla Intro después de cada paso
  --pause=SEGUNDOS  descansa ese tiempo; si falta, 1.2 en un terminal, si no 0
  --who             solo la primera escena: quién atiende a quién
  --kill            solo la segunda: se mata un servidor bajo carga
  --rolling         solo la tercera: el reinicio escalonado
  --short           menos carga, un reinicio escalonado en lugar de tres
  --loopback        127.0.0.2, 127.0.0.3, 127.0.0.4 en vez de namespaces
  --help            muestra esta ayuda

NO_COLOR=1 desactiva los colores.
"
}

# Names the argument that is wrong, and how to see the right ones.
wrong() {
  printf 'balance.sh: %s: %s\n' "$(pick 'wrong argument' \
    'argumento incorrecto')" "$1" >&2
  pick $'scripts/balance.sh --help lists them\n' \
    $'scripts/balance.sh --help los muestra\n' >&2
  exit 2
}

victim=''
scenes=''
# Exchanges that each phase under load must see, and rolling restarts.
step=300 rounds=3
network=namespaces
for argument; do
  case $argument in
    threads | process | mux)
      [ -z "$victim" ] || wrong "$argument"
      victim=$argument
      ;;
    --pause) pause=enter ;;
    --pause=[0-9] | --pause=[0-9][0-9]) pause=${argument#*=} ;;
    --pause=[0-9].[0-9]) pause=${argument#*=} ;;
    --who) scenes+=' who_serves' ;;
    --kill) scenes+=' a_death' ;;
    --rolling) scenes+=' rolling_restart' ;;
    --short) step=30 rounds=1 ;;
    --loopback) network=loopback ;;
    -h | --help) usage; exit 0 ;;
    *) wrong "$argument" ;;
  esac
done
: "${victim:=threads}" "${scenes:=who_serves a_death rolling_restart}"

# --------------------------------------------------------------- What is said

conclude() { printf '  %s%s%s\n' "$title" "$(pick "$@")" "$plain"; }
# A long command goes on in the next line, as a shell would take it.
show_command() {
  local part whole
  whole=$(fold -s -w 72 <<<"$1")
  while IFS= read -r part; do
    printf '    %s%s%s\n' "$prompt" "$part" "$plain"
  done <<<"\$ ${whole//$'\n'/$'\\\n    '}"
}
show_terminal() { printf '    %s%s%s\n' "$typed" "$*" "$plain"; }
# A line of a server, with its name.
show_server() {
  local part name=$1
  while IFS= read -r part; do
    printf '    %s%-8s| %s%s\n' "$server_says" "$name" "${part% }" "$plain"
    name=''
  done < <(fold -s -w 64 <<<"$2")
}

# Milliseconds since some fixed moment.
milliseconds() {
  local now=${EPOCHREALTIME/[.,]/}
  printf '%s' $((now / 1000))
}

state=''
# Waits until a command succeeds; the limit is for the case of failure only.
await() { # what for, in both languages; the command
  local until=$((SECONDS + 90))
  while ! "${@:3}"; do
    [ "$SECONDS" -lt "$until" ] ||
      fail "90 s are over: $1 (HAProxy: ${state:-?})" "pasaron 90 s: $2 (HAProxy: ${state:-?})"
    sleep 0.05
  done
}

# ------------------------------------------------------- What must be there

# Runs once; the copy of this script inside the namespace finds it done.
if [ -z "${BALANCE_PROGRAMS-}" ]; then
  # Debian keeps it where not every user's PATH leads.
  if ! PATH=$PATH:/usr/sbin:/sbin command -v haproxy >/dev/null; then
    pick $'HAProxy is missing: sudo apt-get install haproxy\n' \
      $'Falta HAProxy: sudo apt-get install haproxy\n' >&2
    exit 1
  fi
  # On a terminal cargo shows how far a first build is.
  quiet=--quiet
  if [ -t 2 ]; then quiet=''; fi
  for what in '--release -p threads-server -p process-server -p mux-server' \
    '--profile lab -p lab'; do
    show_command "cargo build $what"
    # Where the programs are is cargo's to decide, and it says so.
    # shellcheck disable=SC2086 # one word for each option
    BALANCE_PROGRAMS+=$(
      cargo build $quiet --message-format=json-render-diagnostics $what |
        sed -n 's|.*"executable":"\([^"]*\)/[^/"]*".*|\1|p' | sort -u
    ): || fail 'it does not build' 'no compila'
  done
  export BALANCE_PROGRAMS

  # A namespace is a network of its own: its interfaces and addresses are seen
  # by no other program, and vanish with its last process. An administrator may
  # create one; others may where the kernel lets them have user namespaces.
  if [ $network = namespaces ]; then
    try='ip link set lo up && ip link add a0 type veth peer name b0'
    for rights in '' '--user --map-root-user'; do
      # shellcheck disable=SC2086 # one word for each option
      if unshare --net $rights sh -c "$try" >/dev/null 2>&1; then
        # The same script goes on as the balancer's machine.
        BALANCE_NETWORK=namespaces exec unshare --net $rights \
          "$BASH" scripts/balance.sh "$@"
      fi
    done
    network=loopback
  fi
elif [ "${BALANCE_NETWORK-}" != namespaces ]; then
  network=loopback
fi
PATH=$BALANCE_PROGRAMS$PATH:/usr/sbin:/sbin

open_room balance

# Where even clean_up cannot run, after SIGKILL, the kernel ends our children.
leashed=()
if command -v setpriv >/dev/null; then
  leashed=(setpriv --pdeathsig KILL)
fi

# ------------------------------------------------------------- The machines

servers='threads process mux'
declare -A address inside process log
index=1
case $network in
  namespaces)
    say 'Four network namespaces stand for a balancer and three servers.' \
      'Cuatro namespaces de red hacen de balanceador y de tres servidores.'
    ip link set lo up
    ;;
  loopback)
    say 'Four addresses of this machine stand for a balancer and three servers.' \
      'Cuatro direcciones locales hacen de balanceador y de tres servidores.'
    ;;
esac

in_another_network() { # process
  [ "$(readlink "/proc/$1/ns/net")" != "$(readlink /proc/self/ns/net)" ]
}

for name in $servers; do
  index=$((index + 1))
  if [ $network = loopback ]; then
    # The first start takes any free port, and later ones the same.
    address[$name]=127.0.0.$index:0
    continue
  fi
  # A namespace lives while a process is in it. This one only sleeps.
  "${leashed[@]}" unshare --net sleep 3600 2>>"$room/complaints" &
  holder=$!
  await 'no namespace' 'no hay namespace' in_another_network $holder
  inside[$name]="nsenter --net=/proc/$holder/ns/net"
  # A cable: one end here, the other in the namespace. 192.0.2.0/24 is for
  # documentation, and never in use elsewhere.
  ip link add "to-$name" type veth peer name to-balancer
  ip link set to-balancer netns $holder
  ip address add 192.0.2.1 peer 192.0.2.$index dev "to-$name"
  ip link set "to-$name" up
  ${inside[$name]} ip address add 192.0.2.$index peer 192.0.2.1 \
    dev to-balancer
  ${inside[$name]} ip link set to-balancer up
  ${inside[$name]} ip link set lo up
  address[$name]=192.0.2.$index:8080
done

# -------------------------------------------------------------- The servers

says() { grep -qE -- "$2" "${log[$1]}"; } # server, pattern
ended() { ! kill -0 "$1" 2>/dev/null; }

# Starts a server, and waits until it listens.
started=0
start_server() { # name
  local place=${address[$1]} first
  started=$((started + 1))
  log[$1]=$room/$started.log
  # 2 ms of work for each message: so exchanges take some time, and a killed
  # server has some under way.
  local words=("$1-server" --host "${place%:*}" --port "${place#*:}"
    --serve until-eof --cpu-work 2000)
  show_command "${words[*]}"
  # shellcheck disable=SC2086 # one word for each option of nsenter
  ${inside[$1]-} "${leashed[@]}" "${words[@]}" >"${log[$1]}" \
    2>>"$room/complaints" 4>&- 5>&- 6>&- &
  process[$1]=$!
  await "$1-server does not listen" "$1-server no escucha" \
    listens_or_ended "$1"
  IFS= read -r first <"${log[$1]}" ||
    fail "$1-server did not start" "$1-server no arrancó"
  show_server "$1" "$first"
  address[$1]=${first##* }
}

listens_or_ended() { [ -s "${log[$1]}" ] || ended "${process[$1]}"; }

# Ends a server in order; its totals are the last line.
stop_server() { # name
  show_command "kill -TERM ${process[$1]}"
  kill -TERM "${process[$1]}"
  wait "${process[$1]}" || fail "$1-server: exit status $?" \
    "$1-server: estado de salida $?"
  local line
  line=$(tail -n 1 "${log[$1]}")
  show_server "$1" "$line"
  [[ $line =~ :\ ([0-9]+)\ [^,]*,\ ([0-9]+)\ byte ]] ||
    fail "no totals: $line" "no hay totales: $line"
  total_clients=$((total_clients + BASH_REMATCH[1]))
  total_bytes=$((total_bytes + BASH_REMATCH[2]))
}

# ------------------------------------------------------------- The balancer

# The runtime socket is a Unix socket, which bash cannot open by itself.
runtime=''
for tool in nc.openbsd ncat nc; do
  case $("$tool" -h 2>&1 </dev/null || true) in
    *' -U'* | *-*U*nixsock*) runtime=$tool; break ;;
  esac
done
[ -n "$runtime" ] || ! command -v python3 >/dev/null || runtime=python3
[ -n "$runtime" ] ||
  fail 'the runtime socket needs nc -U, or python3 (apt-get install ncat)' \
    'el socket de control necesita nc -U, o python3 (apt-get install ncat)'

ask() { # command
  case $runtime in
    python3)
      python3 -c 'if True:
        import socket, sys
        runtime = socket.socket(socket.AF_UNIX)
        runtime.connect(sys.argv[1])
        runtime.sendall(sys.argv[2].encode() + b"\n")
        while part := runtime.recv(65536):
            sys.stdout.write(part.decode())' "$room/socket" "$1"
      ;;
    *) printf '%s\n' "$1" | timeout 5 "$runtime" -U "$room/socket" ;;
  esac 2>/dev/null || true
}

# Commands that change something are shown.
order() {
  show_command "echo '$1' | nc -U balancer.sock"
  local reply
  reply=$(ask "$1")
  [ -z "${reply//[[:space:]]/}" ] || fail "HAProxy: $reply" "HAProxy: $reply"
}

# What HAProxy knows of a server: connections now, connections so far, state.
look() { # name
  local row line=()
  now='' so_far='' state=''
  while IFS= read -r row; do
    IFS=, read -r -a line <<<"$row"
    if [ "${line[1]-}" = "$1" ]; then
      now=${line[4]} so_far=${line[7]} state=${line[17]}
    fi
  done < <(ask 'show stat servers 4 -1')
}

state_is() { look "$1"; [[ $state == $2* ]]; } # name, state
is_idle() { look "$1"; [ "$now" = 0 ]; }
has_had() { look "$1"; [ "${so_far:-0}" -ge "$2" ]; } # name, connections
answers_or_ended() {
  [ -n "$(ask 'show info')" ] || ended "$balancer"
}

start_balancer() {
  local _
  show_command 'haproxy -db -f docs/balance/haproxy.cfg'
  port=8080
  for _ in {1..8}; do
    BALANCE_FRONT=127.0.0.1:$port BALANCE_SOCKET=$room/socket \
      BALANCE_THREADS=${address[threads]} BALANCE_MUX=${address[mux]} \
      BALANCE_PROCESS=${address[process]} \
      "${leashed[@]}" haproxy -db -f docs/balance/haproxy.cfg \
      >"$room/haproxy" 2>&1 4>&- 5>&- 6>&- &
    balancer=$!
    await 'HAProxy does not answer' 'HAProxy no responde' answers_or_ended
    ended "$balancer" || break
    # The port is in use; another one is tried.
    port=$((20000 + RANDOM % 10000))
  done
  if ended "$balancer"; then
    cat "$room/haproxy" >>"$room/complaints"
    fail 'HAProxy did not start' 'HAProxy no arrancó'
  fi
  local name
  for name in $servers; do
    await "$name is not UP" "$name no está UP" state_is "$name" UP
  done
  say "HAProxy takes clients on 127.0.0.1:$port; all three servers are UP." \
    "HAProxy recibe clientes en 127.0.0.1:$port; los tres servidores están UP."
}

stop_balancer() {
  kill -TERM "$balancer"
  wait "$balancer" || true
  rm -f "$room/socket"
}

start_all() {
  local name
  total_clients=0 total_bytes=0
  for name in $servers; do start_server "$name"; done
  start_balancer
}

# The balancer goes first: so no health check meets a server that has ended.
stop_all() {
  local name
  stop_balancer
  for name in $servers; do stop_server "$name"; done
}

# ----------------------------------------------------------------- The load

# Twelve clients, each of which connects anew for every exchange. Nothing is
# left out: no warm-up, and each exchange that has begun when the load ends is
# finished.
size=64
start_load() {
  local words=(lab load "127.0.0.1:$port" --connections 12 --size "$size"
    --serve once --close client --warm-up 0s --timeout 5s --duration 300s)
  show_command "${words[*]}"
  "${leashed[@]}" "${words[@]}" >"$room/load" 2>>"$room/complaints" &
  load=$!
  local name
  for name in $servers; do
    await 'no load arrives' 'no llega carga' has_had "$name" $((step / 3))
  done
}

# Waits until a server has had so many connections more.
more_load() { # name, connections
  look "$1"
  await 'no load arrives' 'no llega carga' has_had "$1" $((so_far + $2))
}

# Ends the load; leaves its figures in `exchanges`, `lost`, `refused`.
stop_load() {
  ! ended "$load" || fail 'the load ended early' 'la carga terminó antes'
  kill -TERM "$load"
  wait "$load" || fail "the load: exit status $?" "la carga: estado $?"
  local line count
  exchanges='' lost=0 refused=0 latency=''
  while IFS= read -r line; do
    case $line in
      *' exchanges in '*)
        line=${line%% exchanges in *}
        exchanges=${line//[!0-9]/}
        ;;
      latency*)
        # The median, the slowest of a hundred, the slowest of all.
        [[ $line =~ (p50\ [^ ]+\ [^ ]+).*(p99\ [^ ]+\ [^ ]+).*(max\ .*)$ ]] &&
          latency="${BASH_REMATCH[1]}, ${BASH_REMATCH[2]}, ${BASH_REMATCH[3]}"
        ;;
      'errors '*none) ;;
      'errors '*)
        line=${line#errors }
        # "3 × connection reset, 1 × connection refused"
        IFS=, read -r -a kinds <<<"$line"
        for kind in "${kinds[@]}"; do
          count=${kind%%×*}
          count=${count//[!0-9]/}
          case $kind in
            *refused*) refused=$((refused + count)) ;;
            *) lost=$((lost + count)) ;;
          esac
          show_terminal "$kind"
        done
        ;;
      'warning: '*' more should have '*)
        line=${line%% more should*}
        lost=$((lost + ${line//[!0-9]/}))
        ;;
    esac
  done <"$room/load"
  [ -n "$exchanges" ] || fail 'the load says nothing' 'la carga no dice nada'
  say "exchanges: $exchanges, lost: $lost, refused: $refused" \
    "intercambios: $exchanges, perdidos: $lost, rechazados: $refused"
  say "time for each: $latency" "tiempo de cada uno: $latency"
}

# ------------------------------------------------------ Who serves whom

# The server that has printed this.
whose() {
  local name
  for name in $servers; do
    if grep -qF -- "$1" "${log[$name]}"; then found=$name; return; fi
  done
  return 1
}

# A client types a line, and has it back; who served it is left in `found`.
talk() { # name, number of its connection, text
  printf '%s\n' "$3" >&"$2"
  show_terminal "$1 > $3"
  local reply=''
  IFS= read -r -t 10 -u "$2" reply || fail 'no reply' 'no hay respuesta'
  [ "$reply" = "$3" ] || fail "expected: $3" "se esperaba: $3"
  show_terminal "$1 < $reply"
  await 'no server says so' 'ningún servidor lo dice' whose "$3"
  show_server "$found" "$(grep -F -m 1 -- "$3" "${log[$found]}")"
}

who_serves() {
  headline 'Who serves whom: three clients, one balancer, three servers' \
    'Quién atiende a quién: tres clientes, un balanceador, tres servidores'
  start_all
  rest
  say 'Three clients connect, one after the other, to the same address:' \
    'Tres clientes se conectan, uno tras otro, a la misma dirección:'
  local used='' name
  exec 4<>"/dev/tcp/127.0.0.1/$port"
  talk Ana 4 "$(pick 'I am Ana' 'Soy Ana')"
  local ana=$found
  used+="$found "
  exec 5<>"/dev/tcp/127.0.0.1/$port"
  talk Beto 5 "$(pick 'I am Beto' 'Soy Beto')"
  local beto=$found
  used+="$found "
  exec 6<>"/dev/tcp/127.0.0.1/$port"
  talk Carla 6 "$(pick 'I am Carla' 'Soy Carla')"
  used+="$found "
  for name in $servers; do
    [[ $used == *"$name "* ]] ||
      fail "no client was given to $name" "$name no recibió ningún cliente"
  done
  conclude "Ana was given to $ana, Beto to $beto, Carla to $found." \
    "A Ana la atiende $ana, a Beto $beto, a Carla $found."
  say 'To the servers every client has the address of the balancer.' \
    'Para los servidores todo cliente tiene la dirección del balanceador.'
  rest
  say 'One connection, one server: Ana stays where she is.' \
    'Una conexión, un servidor: Ana se queda donde está.'
  talk Ana 4 "$(pick 'I am still Ana' 'Sigo siendo Ana')"
  [ "$found" = "$ana" ] || fail "Ana was moved to $found" \
    "Ana fue movida a $found"
  rest
  say 'The health check visits too. It connects and goes, and sends nothing:' \
    'La verificación de salud también visita: se conecta y no envía nada:'
  await 'no visit' 'no hay visita' says threads \
    "$(pick '  closed' '  cerrado')\$"
  local visitor line
  visitor=$(grep -E -m 1 -- "$(pick '  closed' '  cerrado')\$" \
    "${log[threads]}" | grep -oE '[0-9.]+:[0-9]+')
  while IFS= read -r line; do show_server threads "$line"; done < <(
    grep -F " $visitor " "${log[threads]}"
  )
  rest
  say 'The clients leave, the balancer ends, and each server has its totals:' \
    'Los clientes se van, el balanceador termina; cada servidor da sus totales:'
  close_all
  for name in $servers; do
    await 'a client stays' 'un cliente se queda' is_idle "$name"
  done
  stop_all
  local all
  all=$(pick 'I am AnaI am BetoI am CarlaI am still Ana' \
    'Soy AnaSoy BetoSoy CarlaSigo siendo Ana')
  # Each of the four messages ends in a newline.
  [ $total_bytes -eq $((${#all} + 4)) ] ||
    fail "$total_bytes bytes in all" "$total_bytes bytes en total"
  conclude "Three totals, $total_bytes bytes together: no server knows the sum." \
    "Tres totales, $total_bytes bytes juntos: ningún servidor sabe la suma."
}

# -------------------------------------------------- One server is killed

a_death() {
  headline "A death: $victim-server is killed under load" \
    "Una muerte: se mata a $victim-server bajo carga"
  start_all
  rest
  start_load
  local name began seen=0
  look "$victim"
  local under_way=$now
  show_command "kill -KILL ${process[$victim]}"
  began=$(milliseconds)
  kill -KILL "${process[$victim]}"
  # The shell would report the death, which is announced already.
  wait "${process[$victim]}" 2>/dev/null || true
  await 'HAProxy does not notice' 'HAProxy no lo nota' \
    state_is "$victim" DOWN
  seen=$(($(milliseconds) - began))
  say "HAProxy notices after $seen ms: $victim is DOWN." \
    "HAProxy lo nota a los $seen ms: $victim está DOWN."
  for name in $servers; do
    [ "$name" = "$victim" ] || more_load "$name" $((step / 3))
  done
  say 'The other two serve all clients. The dead one is started anew:' \
    'Los otros dos atienden a todos. El muerto arranca de nuevo:'
  began=$(milliseconds)
  start_server "$victim"
  await "$victim is not UP" "$victim no está UP" state_is "$victim" UP
  say "UP again after $(($(milliseconds) - began)) ms." \
    "UP otra vez a los $(($(milliseconds) - began)) ms."
  more_load "$victim" $((step / 3))
  say 'What the clients saw:' 'Lo que vieron los clientes:'
  stop_load
  # At most the killed server's clients, out of the twelve, have lost an
  # exchange.
  [ $refused -eq 0 ] || fail "refused: $refused" "rechazados: $refused"
  [ $lost -le 12 ] || fail "lost: $lost" "perdidos: $lost"
  stop_all
  conclude "$victim had $under_way connections then; exchanges lost: $lost." \
    "$victim tenía $under_way conexiones entonces; intercambios perdidos: $lost."
  say 'Its totals died with it. Later clients were sent to the other servers.' \
    'Sus totales murieron con él. Los clientes siguientes fueron a los otros.'
}

# --------------------------------------------------- The rolling restart

replace() { # name
  order "set server servers/$1 state drain"
  await "$1 is not idle" "$1 no queda libre" is_idle "$1"
  stop_server "$1"
  start_server "$1"
  # A check may have failed meanwhile, since no server listened; one that
  # succeeds undoes it.
  await "$1 does not come back" "$1 no vuelve" state_is "$1" DRAIN
  order "set server servers/$1 state ready"
  await "$1 is not UP" "$1 no está UP" state_is "$1" UP
  more_load "$1" $((step / 3))
}

rolling_restart() {
  headline 'A rolling restart: all three are replaced under load' \
    'Un reinicio escalonado: se reemplazan los tres bajo carga'
  say 'Each in turn: drained, stopped with SIGTERM, started, taken back.' \
    'Cada uno a su turno: se drena, se detiene con SIGTERM, arranca y vuelve.'
  start_all
  rest
  start_load
  local name round began
  began=$(milliseconds)
  for ((round = 1; round <= rounds; round++)); do
    for name in $servers; do replace "$name"; done
  done
  local took=$(($(milliseconds) - began))
  say "$((3 * rounds)) replacements in $took ms. What the clients saw:" \
    "$((3 * rounds)) reemplazos en $took ms. Lo que vieron los clientes:"
  stop_load
  [ $lost -eq 0 ] || fail "lost: $lost" "perdidos: $lost"
  [ $refused -eq 0 ] || fail "refused: $refused" "rechazados: $refused"
  stop_all
  # The load opens with one byte, to see how long the server serves, and with
  # one exchange; it counts neither.
  [ $total_bytes -eq $((1 + size * (exchanges + 1))) ] ||
    fail "the servers have received $total_bytes bytes" \
      "los servidores recibieron $total_bytes bytes"
  local totals=$((3 + 3 * rounds))
  conclude "$totals totals, $total_bytes bytes: $size for each exchange." \
    "$totals totales, $total_bytes bytes: $size por cada intercambio."
}

# ------------------------------------------------------------------- The play

# shellcheck disable=SC2086 # one word for each scene
play $scenes
