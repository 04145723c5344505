//! The words of the claims, in both languages, beside their rules.

use super::rules::{self, FAR_LESS, GROWS, HARDER, MORE, SLOWER};
use super::rules::{DISTURBED, SPEED_UP, TOGETHER, WAITS};
use super::{Approach, Claim, Experiment as E, Kind, Text};

/// All eighteen, as the course states them: for and against each approach.
#[must_use]
pub fn all() -> Vec<Claim> {
    let mut claims = threads();
    claims.extend(processes());
    claims.extend(mux());
    claims
}

const COMPUTE_EN: &str = "Messages that cost 10 ms of processor time each: \
    one client, then as many as there are processors (2 to 8), each sending \
    the same number one after the other. Speed-up: how many times as many \
    messages are answered in the same time.";
const COMPUTE_ES: &str = "Mensajes que cuestan 10 ms de tiempo de procesador \
    cada uno: un cliente, luego tantos como procesadores (de 2 a 8), cada \
    uno con el mismo número de mensajes, uno tras otro. Aceleración: cuántas \
    veces más mensajes se responden en el mismo tiempo.";
const MEMORY_EN: &str = "1 000 connections (--quick: 200) that have had one \
    message answered and are then silent; what the server's processes hold \
    more than before, for each connection.";
const MEMORY_ES: &str = "1 000 conexiones (--quick: 200) a las que se ha \
    respondido un mensaje y que luego callan; lo que los procesos del \
    servidor ocupan de más, por conexión.";
const PASSING_EN: &str = "A worker passes counts to the total, one by one, on \
    one processor: an atomic addition, an addition under a mutex, a channel; \
    a child process does so through a pipe, one write each, and through \
    memory that both share.";
const PASSING_ES: &str = "Un trabajador pasa cuentas al total, una por una, \
    en un solo procesador: una suma atómica, una suma bajo un mutex, un \
    canal; un proceso hijo lo hace por un pipe, una escritura cada una, y \
    por memoria que ambos comparten.";

#[allow(clippy::too_many_lines, reason = "a list")]
fn threads() -> Vec<Claim> {
    let (approach, good, bad) =
        (Approach::Threads, Kind::Advantage, Kind::Disadvantage);
    vec![
        Claim {
            id: "T1",
            approach,
            kind: good,
            claim: Text::new(
                "Threads take fewer resources than processes.",
                "Los hilos consumen menos recursos que los procesos.",
            ),
            experiment: Text::new(MEMORY_EN, MEMORY_ES),
            rule: MORE.words(
                "Memory (PSS) of a process over that of a thread",
                "Memoria (PSS) de un proceso respecto a la de un hilo",
            ),
            needs: &[E::Memory],
            samples: &["memory/threads/", "memory/processes/"],
            judge: rules::threads_take_less,
        },
        Claim {
            id: "T2",
            approach,
            kind: good,
            claim: Text::new(
                "Threads communicate fast, since they share their memory.",
                "La comunicación entre hilos es rápida, ya que comparten la \
                 memoria.",
            ),
            experiment: Text::new(PASSING_EN, PASSING_ES),
            rule: SLOWER.words(
                "One count through a pipe between processes over one through \
                 a channel, the slowest way between threads",
                "Una cuenta por un pipe entre procesos respecto a una por \
                 un canal, la vía más lenta entre hilos",
            ),
            needs: &[E::Passing],
            samples: &["passing/"],
            judge: rules::threads_communicate_fast,
        },
        Claim {
            id: "T3",
            approach,
            kind: good,
            claim: Text::new(
                "Threads suit input and output: one that waits does not \
                 block the program.",
                "Los hilos son adecuados para tareas de E/S: uno que espera \
                 no bloquea el programa completo.",
            ),
            experiment: Text::new(
                "100 clients (--quick: 20) come at once; each is greeted, \
                 takes 100 ms, sends and leaves. Time until all are served, \
                 with a thread each and with one thread at a time \
                 (--max-clients 1).",
                "100 clientes (--quick: 20) llegan a la vez; cada uno es \
                 saludado, se toma 100 ms, envía y se va. Tiempo hasta que \
                 todos quedan atendidos, con un hilo para cada uno y con un \
                 solo hilo a la vez (--max-clients 1).",
            ),
            rule: TOGETHER.words(
                "Time one after the other over time with threads",
                "Tiempo uno tras otro respecto al tiempo con hilos",
            ),
            needs: &[E::Waiting],
            samples: &["waiting/"],
            judge: rules::threads_suit_waiting,
        },
        Claim {
            id: "T4",
            approach,
            kind: bad,
            claim: Text::new(
                "Threads need synchronisation, and without it they race.",
                "Los hilos exigen sincronización; sin ella hay condiciones \
                 de carrera.",
            ),
            experiment: Text::new(
                "As many threads as processors (2 to 4) count on one total \
                 for 60 ms: by reading and, a moment later, writing an \
                 atomic, by one indivisible addition (fetch_add), and with no \
                 synchronisation at all, which is given to the compiler.",
                "Tantos hilos como procesadores (de 2 a 4) cuentan en un \
                 mismo total durante 60 ms: leyendo y, un momento después, \
                 escribiendo un atómico, con una suma indivisible (fetch_add) y sin ninguna \
                 sincronización, lo que se le entrega al compilador.",
            ),
            rule: Text::new(
                "There are races when reading and then writing loses counts \
                 in every round and the indivisible addition in none. \
                 Synchronisation can be forgotten when the compiler accepts \
                 the version without any. Both: the claim holds; one of \
                 them: in part; neither: it does not hold. Losses in some \
                 rounds only are too noisy to tell.",
                "Hay carreras si leer y después escribir pierde cuentas en \
                 todas las rondas y la suma indivisible en ninguna. La \
                 sincronización se puede olvidar si el compilador acepta la \
                 versión que no tiene ninguna. Ambas cosas: se cumple; una: \
                 en parte; ninguna: no se cumple. Pérdidas solo en algunas \
                 rondas: demasiado ruido para decidir.",
            ),
            needs: &[E::Races],
            samples: &["races/"],
            judge: rules::threads_race,
        },
        Claim {
            id: "T5",
            approach,
            kind: bad,
            claim: Text::new(
                "Python's GIL binds threads to one core.",
                "El GIL de Python limita los hilos a un solo núcleo.",
            ),
            experiment: Text::new(COMPUTE_EN, COMPUTE_ES),
            rule: undisturbed(&SPEED_UP.words(
                "Speed-up of threads in Rust over that of Python's threading",
                "Aceleración de los hilos en Rust respecto a la de threading \
                 en Python",
            )),
            needs: &[E::Compute],
            samples: &["compute/"],
            judge: rules::gil_binds_threads,
        },
        Claim {
            id: "T6",
            approach,
            kind: bad,
            claim: Text::new(
                "Threads can deadlock.",
                "Los hilos pueden bloquearse entre sí (deadlock).",
            ),
            experiment: Text::new(
                "Two threads take two locks, again and again for 0.3 s: in \
                 opposite orders, and in one order. A watchdog gives up when \
                 neither gets on for 600 ms.",
                "Dos hilos toman dos cerrojos, una y otra vez durante 0.3 s: \
                 en órdenes opuestos y en un mismo orden. Un vigilante \
                 abandona cuando ninguno avanza durante 600 ms.",
            ),
            rule: Text::new(
                "Holds when opposite orders stop in every round and one \
                 order in none; in part when they stop in some rounds; does \
                 not hold when they never stop. When one order stops too, \
                 something else is wrong: too noisy to tell.",
                "Se cumple si los órdenes opuestos se detienen en todas las \
                 rondas y el mismo orden en ninguna; en parte si se detienen \
                 en algunas; no se cumple si no se detienen nunca. Si \
                 también se detiene el mismo orden, ocurre otra cosa: \
                 demasiado ruido para decidir.",
            ),
            needs: &[E::Deadlocks],
            samples: &["locks/"],
            judge: rules::threads_deadlock,
        },
    ]
}

#[allow(clippy::too_many_lines, reason = "a list")]
fn processes() -> Vec<Claim> {
    let (approach, good, bad) =
        (Approach::Processes, Kind::Advantage, Kind::Disadvantage);
    vec![
        Claim {
            id: "P1",
            approach,
            kind: good,
            claim: Text::new(
                "Processes use many cores.",
                "Los procesos aprovechan múltiples núcleos.",
            ),
            experiment: Text::new(COMPUTE_EN, COMPUTE_ES),
            rule: undisturbed(&SPEED_UP.words(
                "Speed-up of process-server",
                "Aceleración de process-server",
            )),
            needs: &[E::Compute],
            samples: &["compute/"],
            judge: rules::processes_use_cores,
        },
        Claim {
            id: "P2",
            approach,
            kind: good,
            claim: Text::new(
                "Processes are more stable: one does not take the others \
                 along.",
                "Los procesos son más estables: uno no afecta directamente a \
                 los otros.",
            ),
            experiment: Text::new(
                "50 clients are connected and served; the worker of one gets \
                 a fatal signal (SIGSEGV); then every client sends again.",
                "50 clientes están conectados y atendidos; el trabajador de \
                 uno recibe una señal fatal (SIGSEGV); luego todos envían de \
                 nuevo.",
            ),
            rule: Text::new(
                "Holds when in every round processes still serve all the \
                 others and threads do not; does not hold when processes \
                 never do or threads always do; otherwise too noisy to tell.",
                "Se cumple si en todas las rondas los procesos siguen \
                 atendiendo a todos los demás y los hilos no; no se cumple \
                 si los procesos nunca lo hacen o los hilos siempre; en otro \
                 caso, demasiado ruido para decidir.",
            ),
            needs: &[E::Crash],
            samples: &["crash/"],
            judge: rules::processes_are_stable,
        },
        Claim {
            id: "P3",
            approach,
            kind: good,
            claim: Text::new(
                "Processes avoid Python's GIL.",
                "Los procesos evitan el GIL de Python.",
            ),
            experiment: Text::new(COMPUTE_EN, COMPUTE_ES),
            rule: undisturbed(&SPEED_UP.words(
                "Speed-up of Python's multiprocessing over that of its \
                 threading",
                "Aceleración de multiprocessing en Python respecto a la \
                 de threading",
            )),
            needs: &[E::Compute],
            samples: &["compute/"],
            judge: rules::processes_avoid_gil,
        },
        Claim {
            id: "P4",
            approach,
            kind: bad,
            claim: Text::new(
                "Processes take more resources.",
                "Los procesos consumen más recursos.",
            ),
            experiment: Text::new(
                format!(
                    "{MEMORY_EN} With the page tables of each process, and \
                     what the kernel of the whole machine grows by (stacks, \
                     page tables, objects), both ends of the connections \
                     included."
                ),
                format!(
                    "{MEMORY_ES} Con las tablas de páginas de cada proceso, \
                     y lo que crece el núcleo de toda la máquina (pilas, \
                     tablas de páginas, objetos), incluidos ambos extremos \
                     de las conexiones."
                ),
            ),
            rule: MORE.words(
                "Memory (PSS and page tables) of a process over that of a \
                 thread",
                "Memoria (PSS y tablas de páginas) de un proceso respecto a \
                 la de un hilo",
            ),
            needs: &[E::Memory],
            samples: &["memory/threads/", "memory/processes/"],
            judge: rules::processes_take_more,
        },
        Claim {
            id: "P5",
            approach,
            kind: bad,
            claim: Text::new(
                "Processes communicate more slowly than threads.",
                "La comunicación entre procesos es más lenta que entre hilos.",
            ),
            experiment: Text::new(PASSING_EN, PASSING_ES),
            rule: two_parts(&SLOWER.words(
                "A pipe over a channel between threads, and shared \
                     memory over an atomic between threads",
                "Un pipe respecto a un canal de hilos, y memoria \
                     compartida respecto a un atómico de hilos",
            )),
            needs: &[E::Passing],
            samples: &["passing/"],
            judge: rules::processes_communicate_slowly,
        },
        Claim {
            id: "P6",
            approach,
            kind: bad,
            claim: Text::new(
                "Processes take longer to create and to destroy.",
                "Crear y destruir procesos es más costoso en tiempo.",
            ),
            experiment: Text::new(
                "fork, exit and wait; spawn and join of a thread; insertion \
                 and removal of a table's entry with its buffer: thousands \
                 of each. Beside it the processor time of one exchange for \
                 each connection, 8 clients, without and with a pool of 64 \
                 workers.",
                "fork, exit y wait; crear y esperar un hilo; insertar y \
                 quitar una entrada de tabla con su búfer: miles de cada \
                 uno. Al lado, el tiempo de procesador de un intercambio por \
                 conexión, 8 clientes, sin y con un grupo previo de 64 \
                 trabajadores.",
            ),
            rule: SLOWER.words(
                "Time of a process over that of a thread",
                "Tiempo de un proceso respecto al de un hilo",
            ),
            needs: &[E::Creation, E::Pools],
            samples: &["creation/", "pools/"],
            judge: rules::processes_are_slow_to_create,
        },
    ]
}

#[allow(clippy::too_many_lines, reason = "a list")]
fn mux() -> Vec<Claim> {
    let (approach, good, bad) =
        (Approach::Mux, Kind::Advantage, Kind::Disadvantage);
    vec![
        Claim {
            id: "M1",
            approach,
            kind: good,
            claim: Text::new(
                "Multiplexing is efficient for intensive input and output.",
                "La multiplexación es muy eficiente para E/S intensiva.",
            ),
            experiment: Text::new(
                "1 000 connections (--quick: 200) that send again as soon as \
                 they are answered; processor time and context switches of \
                 the server for each request.",
                "1 000 conexiones (--quick: 200) que envían de nuevo en \
                 cuanto reciben respuesta; tiempo de procesador y cambios de \
                 contexto del servidor por petición.",
            ),
            rule: MORE.words(
                "Processor time of threads or processes, whichever takes \
                 less, over that of the loop with its best backend",
                "Tiempo de procesador de hilos o procesos, el menor de \
                 ambos, respecto al del bucle con su mejor backend",
            ),
            needs: &[E::Efficiency],
            samples: &["efficiency/"],
            judge: rules::loop_is_efficient,
        },
        Claim {
            id: "M2",
            approach,
            kind: good,
            claim: Text::new(
                "Multiplexing takes fewer resources.",
                "La multiplexación consume menos recursos.",
            ),
            experiment: Text::new(MEMORY_EN, MEMORY_ES),
            rule: FAR_LESS.words(
                "Memory (PSS) of a thread or a process, whichever takes \
                 less, over that of an entry of the loop",
                "Memoria (PSS) de un hilo o un proceso, el menor de ambos, \
                 respecto a la de una entrada del bucle",
            ),
            needs: &[E::Memory],
            samples: &["memory/"],
            judge: rules::loop_takes_less,
        },
        Claim {
            id: "M3",
            approach,
            kind: good,
            claim: Text::new(
                "Multiplexing scales to many connections.",
                "La multiplexación escala a muchas conexiones simultáneas.",
            ),
            experiment: Text::new(
                "Round trips of one active connection beside more and more \
                 idle ones: up to 1 000 with select (it ends at 1 024), \
                 10 000 with poll and epoll, 3 000 threads or processes \
                 (--quick: 1 000 and 300). Server and client are pinned to \
                 one processor.",
                "Idas y vueltas de una conexión activa junto a cada vez más \
                 inactivas: hasta 1 000 con select (termina en 1 024), \
                 10 000 con poll y epoll, 3 000 hilos o procesos (--quick: \
                 1 000 y 300). Servidor y cliente están fijados a un \
                 procesador.",
            ),
            rule: {
                let (none, clear) = (GROWS.none, GROWS.clear);
                Text::new(
                    format!(
                        "A backend scales when a round trip beside the most \
                         idle connections takes at most {none} times what it \
                         takes beside 10, and does not from {clear} times \
                         on. All three scale: the claim holds; none: it does \
                         not; otherwise: in part."
                    ),
                    format!(
                        "Un backend escala si una ida y vuelta junto al \
                         máximo de conexiones inactivas tarda como mucho \
                         {none} veces lo que junto a 10, y no escala desde \
                         {clear} veces. Escalan los tres: se cumple; \
                         ninguno: no se cumple; en otro caso: en parte."
                    ),
                )
            },
            needs: &[E::Scaling],
            samples: &["scaling/"],
            judge: rules::loop_scales,
        },
        Claim {
            id: "M4",
            approach,
            kind: bad,
            claim: Text::new(
                "Multiplexing is harder to program.",
                "La multiplexación es más compleja de programar.",
            ),
            experiment: Text::new(
                "The servers' own source, from the syntax tree: lines of \
                 code, branches (if, match, ?, loops, && and ||), states \
                 (fields and variants of own types). Without the second form \
                 (--workers), and with one backend of the loop, poll.",
                "El código propio de los servidores, desde el árbol \
                 sintáctico: líneas, bifurcaciones (if, match, ?, bucles, && \
                 y ||), estados (campos y variantes de tipos propios). Sin \
                 la segunda forma (--workers) y con un solo backend del \
                 bucle, poll.",
            ),
            rule: {
                let (none, clear) = (HARDER.none, HARDER.clear);
                Text::new(
                    format!(
                        "Each count of the loop over the larger one of \
                         threads and processes: harder from {clear} times \
                         on, not harder up to {none} times. All three \
                         harder: the claim holds; none: it does not; \
                         otherwise: in part."
                    ),
                    format!(
                        "Cada cuenta del bucle respecto a la mayor de hilos y \
                         procesos: más difícil desde {clear} veces, no más \
                         difícil hasta {none} veces. Las tres: se cumple; \
                         ninguna: no se cumple; en otro caso: en parte."
                    ),
                )
            },
            needs: &[E::Source],
            samples: &["source/"],
            judge: rules::loop_is_hard,
        },
        Claim {
            id: "M5",
            approach,
            kind: bad,
            claim: Text::new(
                "Multiplexing is weak at work for the processor.",
                "La multiplexación rinde menos en tareas de CPU intensiva.",
            ),
            experiment: Text::new(
                "One client sends messages that cost 20 ms of processor time \
                 each, one after the other. Meanwhile light clients connect, \
                 say nothing, and wait until the server has closed: their \
                 median latency.",
                "Un cliente envía mensajes que cuestan 20 ms de tiempo de \
                 procesador cada uno, uno tras otro. Mientras tanto, \
                 clientes ligeros se conectan, no dicen nada y esperan hasta \
                 que el servidor cierra: la mediana de su latencia.",
            ),
            rule: WAITS.words(
                "Latency in the loop over that with threads or processes, \
                 whichever is less",
                "Latencia en el bucle respecto a la de hilos o procesos, la menor \
                 de ambas",
            ),
            needs: &[E::Fairness],
            samples: &["fairness/"],
            judge: rules::loop_is_weak_at_work,
        },
        Claim {
            id: "M6",
            approach,
            kind: bad,
            claim: Text::new(
                "Non-blocking input and output is not the same everywhere.",
                "La E/S no bloqueante no es igual en todos los entornos.",
            ),
            experiment: Text::new(
                "This system is asked for select, poll, epoll, kqueue and \
                 io_uring, and the loop is run with each backend that it \
                 has.",
                "A este sistema se le piden select, poll, epoll, kqueue e \
                 io_uring, y se ejecuta el bucle con cada backend que tiene.",
            ),
            rule: Text::new(
                "Does not hold when all five are here; in part when \
                 something is missing, but select and poll, which every \
                 system of the table has, are here; holds when even these \
                 are missing.",
                "No se cumple si están los cinco; en parte si falta alguno, \
                 pero están select y poll, que tienen todos los sistemas de \
                 la tabla; se cumple si faltan incluso estos.",
            ),
            needs: &[E::Mechanisms],
            samples: &["mechanisms/"],
            judge: rules::loop_is_not_portable,
        },
    ]
}

/// A rule that is applied to two ratios.
fn two_parts(rule: &Text) -> Text {
    Text::new(
        format!(
            "{} Both ratios have to say so; when only one does, the claim \
             holds in part.",
            rule.en
        ),
        format!(
            "{} Ambas razones tienen que decirlo; si solo lo dice una, se \
             cumple en parte.",
            rule.es
        ),
    )
}

/// A rule that needs all processors.
fn undisturbed(rule: &Text) -> Text {
    let percent = DISTURBED * 100.0;
    Text::new(
        format!(
            "{} It is too noisy, too, when something else used more than \
             {percent} % of the processors in half of the rounds.",
            rule.en
        ),
        format!(
            "{} También hay demasiado ruido si algo ajeno usó más del \
             {percent} % de los procesadores en la mitad de las rondas.",
            rule.es
        ),
    )
}
