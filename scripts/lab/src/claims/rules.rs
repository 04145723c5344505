//! The rules: what the samples of each claim come to.

use super::{Evidence, Judgement, Lacking, Samples, Steps, Text, Verdict};
use crate::stats::{Summary, pairwise_ratios};
use crate::text;

type Judged = Result<Judgement, Lacking>;

/// How much more memory, or processor time, is worth a claim.
pub(super) const MORE: Steps = Steps { none: 1.1, clear: 1.4 };
/// How many times slower a way to communicate, or to create, has to be.
pub(super) const SLOWER: Steps = Steps { none: 1.2, clear: 2.0 };
/// The loop's memory: not a little less, but of another kind.
pub(super) const FAR_LESS: Steps = Steps { none: 1.1, clear: 3.0 };
/// By how many times threads beat a server that serves one after the other.
pub(super) const TOGETHER: Steps = Steps { none: 1.5, clear: 5.0 };
/// A speed-up, on two processors or more.
pub(super) const SPEED_UP: Steps = Steps { none: 1.2, clear: 1.5 };
/// How much longer a light client waits in the loop.
pub(super) const WAITS: Steps = Steps { none: 1.5, clear: 4.0 };
/// How much a round trip grows from few idle connections to many.
pub(super) const GROWS: Steps = Steps { none: 1.5, clear: 3.0 };

fn kib(value: f64) -> String {
    // Less than a page in all: what is shown is the kernel's sharing.
    format!("{:.1} KiB", value.max(0.0))
}

fn times(value: f64) -> String {
    if value >= 9.95 { format!("{value:.0}") } else { format!("{value:.1}") }
}

fn percent(value: f64) -> String {
    format!("{:.0} %", value * 100.0)
}

/// The median of ratios and how far they are spread.
fn middle(ratios: &[f64]) -> Result<(f64, String), Lacking> {
    let summary =
        Summary::of(ratios).ok_or_else(|| Lacking("ratios".into()))?;
    let spread = format!("±{:.0} %", summary.relative_spread() * 100.0);
    Ok((summary.median, spread))
}

/// How many of the rounds agree.
fn agreeing(values: &[f64], with: impl Fn(f64) -> bool) -> (usize, String) {
    let count = values.iter().filter(|value| with(**value)).count();
    (count, format!("{count}/{}", values.len()))
}

pub(super) fn threads_take_less(evidence: &Evidence<'_>) -> Judged {
    let samples = evidence.samples;
    let ratios = samples
        .ratios("memory/processes/user_kib", "memory/threads/user_kib")?;
    let (ratio, spread) = middle(&ratios)?;
    let threads = kib(samples.summary("memory/threads/user_kib")?.median);
    let processes = kib(samples.summary("memory/processes/user_kib")?.median);
    let ratio = times(ratio);
    Ok(Judgement {
        verdict: MORE.judge(&ratios),
        figure: Text::new(
            format!(
                "a thread takes {threads}, a process {processes}: {ratio} \
                 times as much"
            ),
            format!(
                "un hilo ocupa {threads}; un proceso, {processes}: {ratio} \
                 veces lo que un hilo"
            ),
        ),
        spread,
    })
}

/// User memory and page tables together, round by round.
fn with_page_tables(
    samples: &Samples,
    whose: &str,
) -> Result<Vec<f64>, Lacking> {
    let user = samples.get(&format!("memory/{whose}/user_kib"))?;
    let tables = samples.get(&format!("memory/{whose}/page_tables_kib"))?;
    Ok(user.iter().zip(tables).map(|(a, b)| a + b).collect())
}

pub(super) fn processes_take_more(evidence: &Evidence<'_>) -> Judged {
    let samples = evidence.samples;
    let threads = with_page_tables(samples, "threads")?;
    let processes = with_page_tables(samples, "processes")?;
    let ratios = pairwise_ratios(&processes, &threads);
    let (ratio, spread) = middle(&ratios)?;
    let median = |values: &[f64]| middle(values).map(|it| kib(it.0));
    let kernel = |whose: &str| -> Result<String, Lacking> {
        let name = format!("memory/{whose}/kernel_kib");
        Ok(kib(samples.summary(&name)?.median))
    };
    let (threads, processes) = (median(&threads)?, median(&processes)?);
    let ratio = times(ratio);
    let (in_threads, in_processes) = (kernel("threads")?, kernel("processes")?);
    Ok(Judgement {
        verdict: MORE.judge(&ratios),
        figure: Text::new(
            format!(
                "with its page tables a process takes {processes}, a thread \
                 {threads}: {ratio} times; the whole kernel grows by \
                 {in_processes} for each process, {in_threads} for each \
                 thread"
            ),
            format!(
                "con sus tablas de páginas un proceso ocupa {processes}, un \
                 hilo {threads}: {ratio} veces; el núcleo entero crece \
                 {in_processes} por proceso y {in_threads} por hilo"
            ),
        ),
        spread,
    })
}

pub(super) fn loop_takes_less(evidence: &Evidence<'_>) -> Judged {
    let samples = evidence.samples;
    let others = samples
        .least(&["memory/threads/user_kib", "memory/processes/user_kib"])?;
    // What is less than nothing is less than can be measured: 16 bytes.
    let entry: Vec<f64> = samples
        .get("memory/mux/user_kib")?
        .iter()
        .map(|value| value.max(1.0 / 64.0))
        .collect();
    let ratios = pairwise_ratios(&others, &entry);
    let (ratio, spread) = middle(&ratios)?;
    let entry = middle(&entry)?.0;
    let entry = format!("{entry:.2} KiB");
    let thread = kib(samples.summary("memory/threads/user_kib")?.median);
    let process = kib(samples.summary("memory/processes/user_kib")?.median);
    let ratio = times(ratio);
    Ok(Judgement {
        // A ratio to almost nothing is spread wide and yet clear.
        verdict: FAR_LESS.judge(&ratios),
        figure: Text::new(
            format!(
                "an entry of the loop takes {entry}, a thread {thread}, a \
                 process {process}: the smaller one {ratio} times as much"
            ),
            format!(
                "una entrada del bucle ocupa {entry}, un hilo {thread}, un \
                 proceso {process}: el menor, {ratio} veces la entrada"
            ),
        ),
        spread,
    })
}

/// The five ways in words, how often a pipe takes as long as a channel, and
/// shared memory as an atomic.
type Passing = ([String; 5], Vec<f64>, Vec<f64>);

fn passing(samples: &Samples) -> Result<Passing, Lacking> {
    let names = [
        "passing/threads/atomic_ns",
        "passing/threads/mutex_ns",
        "passing/threads/channel_ns",
        "passing/processes/pipe_ns",
        "passing/processes/shared_memory_ns",
    ];
    let mut figures = [const { String::new() }; 5];
    for (figure, name) in figures.iter_mut().zip(names) {
        *figure = text::nanoseconds(samples.summary(name)?.median);
    }
    let channel = samples
        .ratios("passing/processes/pipe_ns", "passing/threads/channel_ns")?;
    let memory = samples.ratios(
        "passing/processes/shared_memory_ns",
        "passing/threads/atomic_ns",
    )?;
    Ok((figures, channel, memory))
}

pub(super) fn threads_communicate_fast(evidence: &Evidence<'_>) -> Judged {
    let ([atomic, mutex, channel, pipe, _], ratios, _) =
        passing(evidence.samples)?;
    let (ratio, spread) = middle(&ratios)?;
    let ratio = times(ratio);
    Ok(Judgement {
        verdict: SLOWER.judge(&ratios),
        figure: Text::new(
            format!(
                "one count between threads: atomic {atomic}, mutex {mutex}, \
                 channel {channel}; a pipe between processes takes {pipe}, \
                 {ratio} times the channel"
            ),
            format!(
                "una cuenta entre hilos: atómico {atomic}, mutex {mutex}, \
                 canal {channel}; un pipe entre procesos tarda {pipe}, \
                 {ratio} veces el canal"
            ),
        ),
        spread,
    })
}

pub(super) fn processes_communicate_slowly(evidence: &Evidence<'_>) -> Judged {
    let ([atomic, _, channel, pipe, memory], pipes, memories) =
        passing(evidence.samples)?;
    let (ratio, spread) = middle(&pipes)?;
    let (ratio, same) = (times(ratio), times(middle(&memories)?.0));
    Ok(Judgement {
        verdict: SLOWER.judge(&pipes).and(SLOWER.judge(&memories)),
        figure: Text::new(
            format!(
                "one count through a pipe takes {pipe}, {ratio} times a \
                 channel between threads ({channel}); through shared memory \
                 {memory}, {same} times an atomic between threads ({atomic})"
            ),
            format!(
                "una cuenta por un pipe tarda {pipe}, {ratio} veces un canal \
                 entre hilos ({channel}); por memoria compartida {memory}, \
                 {same} veces un atómico entre hilos ({atomic})"
            ),
        ),
        spread,
    })
}

pub(super) fn threads_suit_waiting(evidence: &Evidence<'_>) -> Judged {
    let samples = evidence.samples;
    let ratios = samples.ratios(
        "waiting/one_after_the_other/wall_ms",
        "waiting/threads/wall_ms",
    )?;
    let (ratio, spread) = middle(&ratios)?;
    let wall = |whose: &str| -> Result<String, Lacking> {
        let name = format!("waiting/{whose}/wall_ms");
        Ok(text::nanoseconds(samples.summary(&name)?.median * 1e6))
    };
    let (threads, serial) = (wall("threads")?, wall("one_after_the_other")?);
    let ratio = times(ratio);
    Ok(Judgement {
        verdict: TOGETHER.judge(&ratios),
        figure: Text::new(
            format!(
                "all are served after {threads} with threads, after {serial} \
                 one after the other: {ratio} times"
            ),
            format!(
                "todos quedan atendidos en {threads} con hilos, en {serial} \
                 uno tras otro: {ratio} veces"
            ),
        ),
        spread,
    })
}

pub(super) fn threads_race(evidence: &Evidence<'_>) -> Judged {
    let samples = evidence.samples;
    let careless = samples.get("races/read_then_write/lost_share")?;
    let careful = samples.get("races/fetch_add/lost_share")?;
    let refused = samples.get("races/refused_by_compiler")?[0] > 0.0;
    let (losing, spread) = agreeing(careless, |lost| lost > 0.0);
    let clean = careful.iter().all(|lost| *lost == 0.0);
    let races = if losing == careless.len() && clean {
        Verdict::Holds
    } else if losing == 0 {
        Verdict::DoesNotHold
    } else {
        Verdict::TooNoisy
    };
    // Where the compiler lets nobody forget the synchronisation, that part
    // of the claim is gone.
    let forgotten = if refused { Verdict::DoesNotHold } else { Verdict::Holds };
    let lost = percent(middle(careless)?.0);
    let (compiler, compilador) = if refused {
        (
            "without any synchronisation the program does not compile \
             (error E0499)",
            "sin ninguna sincronización el programa no compila (error E0499)",
        )
    } else {
        (
            "the compiler accepts it without any synchronisation",
            "el compilador lo acepta sin ninguna sincronización",
        )
    };
    Ok(Judgement {
        verdict: races.and(forgotten),
        figure: Text::new(
            format!(
                "reading and then writing loses {lost} of the counts, one \
                 indivisible addition none; {compiler}"
            ),
            format!(
                "leer y después escribir pierde el {lost} de las cuentas, \
                 una suma indivisible ninguna; {compilador}"
            ),
        ),
        spread,
    })
}

pub(super) fn threads_deadlock(evidence: &Evidence<'_>) -> Judged {
    let samples = evidence.samples;
    let opposite = samples.get("locks/opposite_orders/stopped_flag")?;
    let same = samples.get("locks/one_order/stopped_flag")?;
    let (stopped, spread) = agreeing(opposite, |flag| flag > 0.0);
    let (also_stopped, _) = agreeing(same, |flag| flag > 0.0);
    let verdict = if also_stopped > 0 {
        // One order that stops is no deadlock: something else is wrong.
        Verdict::TooNoisy
    } else if stopped == opposite.len() {
        Verdict::Holds
    } else if stopped == 0 {
        Verdict::DoesNotHold
    } else {
        Verdict::InPart
    };
    let turns = |order: &str| -> Result<String, Lacking> {
        let name = format!("locks/{order}/turns_count");
        Ok(text::plain(samples.summary(&name)?.median.round()))
    };
    let (after, on) = (turns("opposite_orders")?, turns("one_order")?);
    let rounds = opposite.len();
    Ok(Judgement {
        verdict,
        figure: Text::new(
            format!(
                "in opposite orders two threads stop for ever in {stopped} \
                 of {rounds} rounds, after {after} turns in the middle; in \
                 one order they go on, {on} turns in 0.3 s"
            ),
            format!(
                "en órdenes opuestos dos hilos se detienen para siempre en \
                 {stopped} de {rounds} rondas, tras {after} turnos en la \
                 mediana; en un mismo orden siguen, {on} turnos en 0.3 s"
            ),
        ),
        spread,
    })
}

/// What a speed-up is at most; on one processor there is none to be seen.
fn most(evidence: &Evidence<'_>) -> Result<String, Judgement> {
    if evidence.processors < 2 {
        return Err(Judgement {
            verdict: Verdict::NotMeasured,
            figure: Text::new(
                "with one processor nothing can be faster by a second one",
                "con un solo procesador nada puede ganar con otro más",
            ),
            spread: String::new(),
        });
    }
    Ok(evidence.processors.min(8).to_string())
}

/// Of all processors, what others may use while a speed-up is measured.
pub(super) const DISTURBED: f64 = 0.15;

/// A speed-up says nothing while something else needs the processors.
fn undisturbed(
    samples: &Samples,
    verdict: Verdict,
) -> Result<Verdict, Lacking> {
    let others = samples.summary("compute/others_share")?;
    Ok(if others.median > DISTURBED { Verdict::TooNoisy } else { verdict })
}

fn speed_up(samples: &Samples, whose: &str) -> Result<String, Lacking> {
    let name = format!("compute/{whose}/speed_up_times");
    Ok(format!("{:.2}", samples.summary(&name)?.median))
}

pub(super) fn processes_use_cores(evidence: &Evidence<'_>) -> Judged {
    let samples = evidence.samples;
    let most = match most(evidence) {
        Ok(most) => most,
        Err(judgement) => return Ok(judgement),
    };
    let speed_ups = samples.get("compute/processes/speed_up_times")?;
    let spread = middle(speed_ups)?.1;
    let processes = speed_up(samples, "processes")?;
    let threads = speed_up(samples, "threads")?;
    let mux = speed_up(samples, "mux")?;
    Ok(Judgement {
        verdict: undisturbed(samples, SPEED_UP.judge(speed_ups))?,
        figure: Text::new(
            format!(
                "{processes} times as fast with {most} processors ({most} at \
                 most); threads in Rust {threads}, one loop {mux}"
            ),
            format!(
                "aceleración de {processes} con {most} procesadores (máximo \
                 {most}); hilos en Rust, {threads}; un bucle, {mux}"
            ),
        ),
        spread,
    })
}

pub(super) fn gil_binds_threads(evidence: &Evidence<'_>) -> Judged {
    let samples = evidence.samples;
    let most = match most(evidence) {
        Ok(most) => most,
        Err(judgement) => return Ok(judgement),
    };
    let ratios = samples.ratios(
        "compute/threads/speed_up_times",
        "compute/python_threading/speed_up_times",
    )?;
    let spread = middle(&ratios)?.1;
    let rust = speed_up(samples, "threads")?;
    let python = speed_up(samples, "python_threading")?;
    let verdict = undisturbed(samples, SPEED_UP.judge(&ratios))?;
    let (so, luego) = if verdict == Verdict::Holds {
        (
            ": it is Python's limit, not that of threads",
            ": es un límite de Python, no de los hilos",
        )
    } else {
        ("", "")
    };
    Ok(Judgement {
        verdict,
        figure: Text::new(
            format!(
                "with {most} processors ({most} at most) Python's threads \
                 are {python} times as fast, Rust's {rust} times{so}"
            ),
            format!(
                "con {most} procesadores (máximo {most}) la aceleración de \
                 los hilos es {python} en Python y {rust} en Rust{luego}"
            ),
        ),
        spread,
    })
}

pub(super) fn processes_avoid_gil(evidence: &Evidence<'_>) -> Judged {
    let samples = evidence.samples;
    let most = match most(evidence) {
        Ok(most) => most,
        Err(judgement) => return Ok(judgement),
    };
    let ratios = samples.ratios(
        "compute/python_multiprocessing/speed_up_times",
        "compute/python_threading/speed_up_times",
    )?;
    let spread = middle(&ratios)?.1;
    let python = speed_up(samples, "python_threading")?;
    let processes = speed_up(samples, "python_multiprocessing")?;
    let rust = speed_up(samples, "processes")?;
    Ok(Judgement {
        verdict: undisturbed(samples, SPEED_UP.judge(&ratios))?,
        figure: Text::new(
            format!(
                "with {most} processors ({most} at most) Python is \
                 {processes} times as fast with multiprocessing, {python} \
                 times with threading; Rust's processes {rust} times"
            ),
            format!(
                "con {most} procesadores (máximo {most}) la aceleración de \
                 Python es {processes} con multiprocessing y {python} con \
                 threading; la de los procesos de Rust, {rust}"
            ),
        ),
        spread,
    })
}

pub(super) fn processes_are_stable(evidence: &Evidence<'_>) -> Judged {
    const ALL: f64 = 0.999;
    let samples = evidence.samples;
    let processes = samples.get("crash/processes/others_served_share")?;
    let threads = samples.get("crash/threads/others_served_share")?;
    let (saved, spread) = agreeing(processes, |share| share >= ALL);
    let (lost, _) = agreeing(threads, |share| share < ALL);
    let verdict = if saved == processes.len() && lost == threads.len() {
        Verdict::Holds
    } else if saved == 0 || lost == 0 {
        Verdict::DoesNotHold
    } else {
        Verdict::TooNoisy
    };
    let share = |whose: &str| -> Result<String, Lacking> {
        let name = format!("crash/{whose}/others_served_share");
        Ok(percent(samples.summary(&name)?.median))
    };
    let (processes, threads) = (share("processes")?, share("threads")?);
    let mux = share("mux")?;
    Ok(Judgement {
        verdict,
        figure: Text::new(
            format!(
                "after a fatal signal (SIGSEGV) to one worker {processes} of \
                 the other clients are still served by processes, {threads} \
                 by threads, {mux} by the loop"
            ),
            format!(
                "tras una señal fatal (SIGSEGV) a un trabajador, los \
                 procesos siguen atendiendo al {processes} de los demás \
                 clientes, los hilos al {threads}, el bucle al {mux}"
            ),
        ),
        spread,
    })
}

pub(super) fn processes_are_slow_to_create(evidence: &Evidence<'_>) -> Judged {
    let samples = evidence.samples;
    let ratios = samples.ratios("creation/process_ns", "creation/thread_ns")?;
    let (ratio, spread) = middle(&ratios)?;
    let figure = |name: &str| -> Result<String, Lacking> {
        Ok(text::nanoseconds(samples.summary(name)?.median))
    };
    let process = figure("creation/process_ns")?;
    let thread = figure("creation/thread_ns")?;
    let entry = figure("creation/table_entry_ns")?;
    let each = figure("pools/processes/cpu_each_ns")?;
    let pool = figure("pools/processes_pool/cpu_each_ns")?;
    let ratio = times(ratio);
    Ok(Judgement {
        verdict: SLOWER.judge(&ratios),
        figure: Text::new(
            format!(
                "creation and end of a process takes {process}, of a thread \
                 {thread} ({ratio} times), of an entry in a table {entry}; a \
                 pool (--workers) lowers an exchange from {each} of \
                 processor time to {pool}"
            ),
            format!(
                "crear y terminar un proceso tarda {process}, un hilo \
                 {thread} ({ratio} veces), una entrada de una tabla {entry}; \
                 un grupo previo (--workers) baja un intercambio de {each} \
                 de tiempo de procesador a {pool}"
            ),
        ),
        spread,
    })
}

pub(super) fn loop_is_efficient(evidence: &Evidence<'_>) -> Judged {
    let samples = evidence.samples;
    let others = samples.least(&[
        "efficiency/threads/cpu_each_ns",
        "efficiency/processes/cpu_each_ns",
    ])?;
    let best = samples.least(&[
        "efficiency/poll/cpu_each_ns",
        "efficiency/epoll/cpu_each_ns",
    ])?;
    let ratios = pairwise_ratios(&others, &best);
    let (ratio, spread) = middle(&ratios)?;
    let per_second = |values: &[f64]| -> Result<String, Lacking> {
        Ok(text::three_digits((1e9 / middle(values)?.0).round()))
    };
    let mux = per_second(&best)?;
    let threads = per_second(samples.get("efficiency/threads/cpu_each_ns")?)?;
    let processes =
        per_second(samples.get("efficiency/processes/cpu_each_ns")?)?;
    let switches = |whose: &str| -> Result<String, Lacking> {
        let name = format!("efficiency/{whose}/switches_each_count");
        Ok(format!("{:.2}", samples.summary(&name)?.median))
    };
    let (in_loop, in_threads) = (switches("poll")?, switches("threads")?);
    let ratio = times(ratio);
    Ok(Judgement {
        verdict: MORE.judge(&ratios),
        figure: Text::new(
            format!(
                "{mux} requests for each second of processor time, {ratio} \
                 times as many as the better one of threads ({threads}) and \
                 processes ({processes}); {in_loop} context switches for \
                 each request, threads {in_threads}"
            ),
            format!(
                "{mux} peticiones por segundo de tiempo de procesador, \
                 {ratio} veces las del mejor entre hilos ({threads}) y \
                 procesos ({processes}); {in_loop} cambios de contexto por \
                 petición, hilos {in_threads}"
            ),
        ),
        spread,
    })
}

/// The idle connections beside which a program was measured, and how a round
/// trip grew from ten of them to the most.
pub(super) fn growth_of(
    samples: &Samples,
    whose: &str,
) -> Result<(u64, Vec<f64>), Lacking> {
    let beginning = format!("scaling/{whose}/beside_");
    let most = samples
        .0
        .keys()
        .filter_map(|name| {
            let rest = name.strip_prefix(&beginning)?;
            rest.strip_suffix("/round_trip_ns")?.parse::<u64>().ok()
        })
        .max()
        .ok_or_else(|| Lacking(beginning.clone()))?;
    let ratios = samples.ratios(
        &format!("{beginning}{most}/round_trip_ns"),
        &format!("{beginning}10/round_trip_ns"),
    )?;
    Ok((most, ratios))
}

pub(super) fn loop_scales(evidence: &Evidence<'_>) -> Judged {
    let samples = evidence.samples;
    let mut verdict = None;
    let mut words = Vec::new();
    let mut spread = String::new();
    for whose in ["epoll", "poll", "select"] {
        let (most, ratios) = growth_of(samples, whose)?;
        // What grows does not scale.
        let this = match GROWS.judge(&ratios) {
            Verdict::Holds => Verdict::DoesNotHold,
            Verdict::DoesNotHold => Verdict::Holds,
            other => other,
        };
        verdict = Some(verdict.map_or(this, |all: Verdict| all.and(this)));
        let (ratio, around) = middle(&ratios)?;
        if whose == "epoll" {
            spread = around;
        }
        let (ratio, most) = (times(ratio), text::count(most));
        words.push(Text::new(
            format!("{whose} {ratio} times beside {most}"),
            format!("{whose} {ratio} veces junto a {most}"),
        ));
    }
    let (_, threads) = growth_of(samples, "threads")?;
    let (_, processes) = growth_of(samples, "processes")?;
    let (threads, processes) =
        (times(middle(&threads)?.0), times(middle(&processes)?.0));
    let joined = |pick: fn(&Text) -> &str| {
        let all: Vec<&str> = words.iter().map(pick).collect();
        all.join(", ")
    };
    Ok(Judgement {
        verdict: verdict.unwrap_or(Verdict::TooNoisy),
        figure: Text::new(
            format!(
                "a round trip beside idle connections, to the one beside 10: \
                 {}; threads {threads} and processes {processes} times",
                joined(|it| &it.en)
            ),
            format!(
                "una ida y vuelta junto a conexiones inactivas, respecto a \
                 junto a 10: {}; hilos {threads} y procesos {processes} veces",
                joined(|it| &it.es)
            ),
        ),
        spread,
    })
}

pub(super) fn loop_is_hard(evidence: &Evidence<'_>) -> Judged {
    let samples = evidence.samples;
    let count = |whose: &str, what: &str| -> Result<f64, Lacking> {
        Ok(samples.get(&format!("source/{whose}/{what}_count"))?[0])
    };
    let mut verdicts = Vec::new();
    let mut words = Vec::new();
    for (what, en, es) in [
        ("lines", "lines", "líneas"),
        ("branches", "branches", "bifurcaciones"),
        ("states", "states", "estados"),
    ] {
        let mux = count("mux", what)?;
        let threads = count("threads", what)?;
        let processes = count("processes", what)?;
        // The same source gives the same count: nothing to be in doubt of.
        verdicts.push(HARDER.of(mux / threads.max(processes)));
        words.push(Text::new(
            format!("{en} {mux}, {threads}, {processes}"),
            format!("{es} {mux}, {threads}, {processes}"),
        ));
    }
    let verdict =
        verdicts.into_iter().reduce(Verdict::and).unwrap_or(Verdict::TooNoisy);
    let joined = |pick: fn(&Text) -> &str| {
        let all: Vec<&str> = words.iter().map(pick).collect();
        all.join("; ")
    };
    Ok(Judgement {
        verdict,
        figure: Text::new(
            format!("loop, threads, processes: {}", joined(|it| &it.en)),
            format!("bucle, hilos, procesos: {}", joined(|it| &it.es)),
        ),
        spread: "±0 %".to_owned(),
    })
}

/// How much more source is worth a claim.
pub(super) const HARDER: Steps = Steps { none: 1.05, clear: 1.2 };

pub(super) fn loop_is_weak_at_work(evidence: &Evidence<'_>) -> Judged {
    let samples = evidence.samples;
    let others = samples.least(&[
        "fairness/threads/beside_heavy_ns",
        "fairness/processes/beside_heavy_ns",
    ])?;
    let in_loop = samples.get("fairness/mux/beside_heavy_ns")?;
    let ratios = pairwise_ratios(in_loop, &others);
    let (ratio, spread) = middle(&ratios)?;
    let latency = |whose: &str, what: &str| -> Result<String, Lacking> {
        let name = format!("fairness/{whose}/{what}_ns");
        Ok(text::nanoseconds(samples.summary(&name)?.median))
    };
    let mux = latency("mux", "beside_heavy")?;
    let alone = latency("mux", "alone")?;
    let threads = latency("threads", "beside_heavy")?;
    let processes = latency("processes", "beside_heavy")?;
    let ratio = times(ratio);
    Ok(Judgement {
        verdict: WAITS.judge(&ratios),
        figure: Text::new(
            format!(
                "beside one client that computes a light one waits {mux} in \
                 the loop ({alone} without it), {threads} with threads, \
                 {processes} with processes: {ratio} times"
            ),
            format!(
                "junto a un cliente que calcula, uno ligero espera {mux} en \
                 el bucle ({alone} sin aquel), {threads} con hilos, \
                 {processes} con procesos: {ratio} veces"
            ),
        ),
        spread,
    })
}

pub(super) fn loop_is_not_portable(evidence: &Evidence<'_>) -> Judged {
    let samples = evidence.samples;
    let mut here = Vec::new();
    let mut missing = Vec::new();
    for name in super::MECHANISMS {
        let value = samples.get(&format!("mechanisms/{name}/here"))?[0];
        if value > 0.0 { &mut here } else { &mut missing }.push(name);
    }
    let mut serving = Vec::new();
    for name in ["select", "poll", "epoll"] {
        let name_of = format!("mechanisms/{name}/backend_serves");
        if samples.get(&name_of)?[0] > 0.0 {
            serving.push(name);
        }
    }
    let portable = ["select", "poll"].iter().all(|it| here.contains(it));
    let verdict = if missing.is_empty() {
        Verdict::DoesNotHold
    } else if portable {
        Verdict::InPart
    } else {
        Verdict::Holds
    };
    let agreeing = format!("{}/{}", here.len(), here.len() + missing.len());
    let (here, serving) = (here.join(", "), serving.join(", "));
    let (nothing, nada) = if missing.is_empty() {
        ("nothing".to_owned(), "ninguno".to_owned())
    } else {
        (missing.join(", "), missing.join(", "))
    };
    Ok(Judgement {
        verdict,
        figure: Text::new(
            format!(
                "this system has {here}; it lacks {nothing}; the loop runs \
                 with {serving}"
            ),
            format!(
                "este sistema tiene {here}; le falta {nada}; el bucle \
                 funciona con {serving}"
            ),
        ),
        spread: agreeing,
    })
}
