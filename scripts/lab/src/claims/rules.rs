//! The rules: what the samples of each claim come to.

use minijinja::value::Serde;
use minijinja::{Value, context};

use super::Experiment as E;
use super::Rule::{self, Both, Own, SpeedUp, Times};
use super::Series::{AtLeast, Least, Of, Sum};
use super::{Claim, Evidence, Judgement, MECHANISMS};
use super::{Samples, Series, Steps, Unmeasured, Verdict};
use crate::stats::{Summary, pairwise_ratios};

type Judged = Option<Judgement>;

/// More than this times the memory, or the processor time, is worth a claim.
const MORE: Steps = Steps { none: 1.1, clear: 1.4 };
/// How many times slower a way to communicate, or to create, has to be.
const SLOWER: Steps = Steps { none: 1.2, clear: 2.0 };
/// The loop's memory has to be less by far, not by a little.
const FAR_LESS: Steps = Steps { none: 1.1, clear: 3.0 };
/// By how many times threads beat a server that serves one after the other.
const TOGETHER: Steps = Steps { none: 1.5, clear: 5.0 };
/// A speed-up, on two processors or more.
const SPEED_UP: Steps = Steps { none: 1.2, clear: 1.5 };
/// How much longer a light client waits in the loop.
const WAITS: Steps = Steps { none: 1.5, clear: 4.0 };
/// How much a round trip grows from few idle connections to many.
const GROWS: Steps = Steps { none: 1.5, clear: 3.0 };

/// How much more source is worth a claim.
const HARDER: Steps = Steps { none: 1.05, clear: 1.2 };
/// Of all processors, what others may use while a speed-up is measured.
pub const DISTURBED: f64 = 0.15;

const fn claim(
    id: &'static str,
    needs: &'static [E],
    rule: Rule,
    medians: &'static [(&'static str, Series)],
) -> Claim {
    Claim { id, needs, rule, medians }
}

const THREAD: Series = Of("memory/threads/user_kib");
const PROCESS: Series = Of("memory/processes/user_kib");
const SMALLER: Series =
    Least(&["memory/threads/user_kib", "memory/processes/user_kib"]);
/// An amount below this counts as this: 16 bytes are the least that can be
/// measured.
const ENTRY: Series = AtLeast(1.0 / 64.0, "memory/mux/user_kib");
const THREAD_ALL: Series =
    Sum(&["memory/threads/user_kib", "memory/threads/page_tables_kib"]);
const PROCESS_ALL: Series =
    Sum(&["memory/processes/user_kib", "memory/processes/page_tables_kib"]);
const ATOMIC: Series = Of("passing/threads/atomic_ns");
const CHANNEL: Series = Of("passing/threads/channel_ns");
const PIPE: Series = Of("passing/processes/pipe_ns");
const SHARED: Series = Of("passing/processes/shared_memory_ns");
const ALL_AT_ONCE: Series = Of("waiting/threads/wall_ms");
const SERIAL: Series = Of("waiting/one_after_the_other/wall_ms");
const THREADS: Series = Of("compute/threads/speed_up_times");
const PROCESSES: Series = Of("compute/processes/speed_up_times");
const PY_THREADS: Series = Of("compute/python_threading/speed_up_times");
const PY_PROCESSES: Series =
    Of("compute/python_multiprocessing/speed_up_times");
const FORK: Series = Of("creation/process_ns");
const SPAWN: Series = Of("creation/thread_ns");
const ONE_THREAD: Series = Of("efficiency/threads/cpu_each_ns");
const ONE_PROCESS: Series = Of("efficiency/processes/cpu_each_ns");
const CHEAPER: Series = Least(&[
    "efficiency/threads/cpu_each_ns",
    "efficiency/processes/cpu_each_ns",
]);
const BEST_LOOP: Series =
    Least(&["efficiency/poll/cpu_each_ns", "efficiency/epoll/cpu_each_ns"]);
const IN_LOOP: Series = Of("fairness/mux/beside_heavy_ns");
const FAIRER: Series = Least(&[
    "fairness/threads/beside_heavy_ns",
    "fairness/processes/beside_heavy_ns",
]);

/// All eighteen, as the course states them: three for each approach, and then
/// three against it.
#[rustfmt::skip]
pub const CLAIMS: [Claim; 18] = [
    claim("T1", &[E::Memory], Times(PROCESS, THREAD, MORE), &[
        ("thread", THREAD),
        ("process", PROCESS),
    ]),
    claim("T2", &[E::Passing], Times(PIPE, CHANNEL, SLOWER), &[
        ("atomic", ATOMIC),
        ("mutex", Of("passing/threads/mutex_ns")),
        ("channel", CHANNEL),
        ("pipe", PIPE),
    ]),
    claim("T3", &[E::Waiting], Times(SERIAL, ALL_AT_ONCE, TOGETHER), &[
        ("threads", ALL_AT_ONCE),
        ("serial", SERIAL),
    ]),
    claim("T4", &[E::Races], Own(threads_race, None), &[
        ("lost", Of("races/read_then_write/lost_share")),
    ]),
    claim("T5", &[E::Compute], SpeedUp(THREADS, Some(PY_THREADS)), &[
        ("rust", THREADS),
        ("python", PY_THREADS),
    ]),
    claim("T6", &[E::Deadlocks], Own(threads_deadlock, None), &[
        ("after", Of("locks/opposite_orders/turns_count")),
        ("on", Of("locks/one_order/turns_count")),
    ]),
    claim("P1", &[E::Compute], SpeedUp(PROCESSES, None), &[
        ("processes", PROCESSES),
        ("threads", THREADS),
        ("mux", Of("compute/mux/speed_up_times")),
    ]),
    claim("P2", &[E::Crash], Own(processes_are_stable, None), &[
        ("processes", Of("crash/processes/others_served_share")),
        ("threads", Of("crash/threads/others_served_share")),
        ("mux", Of("crash/mux/others_served_share")),
    ]),
    claim("P3", &[E::Compute], SpeedUp(PY_PROCESSES, Some(PY_THREADS)), &[
        ("multiprocessing", PY_PROCESSES),
        ("threading", PY_THREADS),
        ("rust", PROCESSES),
    ]),
    claim("P4", &[E::Memory], Times(PROCESS_ALL, THREAD_ALL, MORE), &[
        ("thread", THREAD_ALL),
        ("process", PROCESS_ALL),
        ("kernel_thread", Of("memory/threads/kernel_kib")),
        ("kernel_process", Of("memory/processes/kernel_kib")),
    ]),
    claim("P5", &[E::Passing],
        Both([(PIPE, CHANNEL), (SHARED, ATOMIC)], SLOWER), &[
        ("pipe", PIPE),
        ("channel", CHANNEL),
        ("memory", SHARED),
        ("atomic", ATOMIC),
    ]),
    claim("P6", &[E::Creation, E::Pools], Times(FORK, SPAWN, SLOWER), &[
        ("process", FORK),
        ("thread", SPAWN),
        ("entry", Of("creation/table_entry_ns")),
        ("each", Of("pools/processes/cpu_each_ns")),
        ("pool", Of("pools/processes_pool/cpu_each_ns")),
    ]),
    claim("M1", &[E::Efficiency], Times(CHEAPER, BEST_LOOP, MORE), &[
        ("mux", BEST_LOOP),
        ("threads", ONE_THREAD),
        ("processes", ONE_PROCESS),
        ("loop_switches", Of("efficiency/poll/switches_each_count")),
        ("thread_switches", Of("efficiency/threads/switches_each_count")),
    ]),
    // A ratio to almost nothing is spread wide and yet clear.
    claim("M2", &[E::Memory], Times(SMALLER, ENTRY, FAR_LESS), &[
        ("entry", ENTRY),
        ("thread", THREAD),
        ("process", PROCESS),
    ]),
    claim("M3", &[E::Scaling], Own(loop_scales, Some(GROWS)), &[]),
    claim("M4", &[E::Source], Own(loop_is_hard, Some(HARDER)), &[]),
    claim("M5", &[E::Fairness], Times(IN_LOOP, FAIRER, WAITS), &[
        ("mux", IN_LOOP),
        ("alone", Of("fairness/mux/alone_ns")),
        ("threads", Of("fairness/threads/beside_heavy_ns")),
        ("processes", Of("fairness/processes/beside_heavy_ns")),
    ]),
    claim("M6", &[E::Mechanisms], Own(loop_is_not_portable, None), &[]),
];

impl Rule {
    /// The limits that it judges by, where these are times.
    pub fn steps(self) -> Option<Steps> {
        match self {
            Self::Times(_, _, steps) | Self::Both(_, steps) => Some(steps),
            Self::SpeedUp(..) => Some(SPEED_UP),
            Self::Own(_, steps) => steps,
        }
    }
}

/// What the rule of a claim says, with all the figures that its words name.
pub(super) fn judge(claim: &Claim, evidence: &Evidence<'_>) -> Judged {
    let samples = evidence.samples;
    let mut judgement = match claim.rule {
        Times(of, to, steps) => by_ratios(&samples.ratios(of, to)?, steps)?,
        Both([first, second], steps) => {
            let ratios = samples.ratios(first.0, first.1)?;
            let mut both = by_ratios(&ratios, steps)?;
            let ratios = samples.ratios(second.0, second.1)?;
            both.verdict = both.verdict.and(steps.judge(&ratios));
            let second = Value::from(middle(&ratios)?.0);
            both.figures.insert("second_ratio", second);
            both
        }
        SpeedUp(..) if evidence.processors < 2 => {
            let why = Unmeasured::OneProcessor;
            return Some(Judgement::not_measured(why));
        }
        SpeedUp(of, to) => {
            let ratios = match to {
                Some(to) => samples.ratios(of, to)?,
                None => samples.series(of)?,
            };
            let mut speed_up = by_ratios(&ratios, SPEED_UP)?;
            // It says nothing while something else needs the processors.
            let others = samples.get("compute/others_share")?;
            if Summary::of(others)?.median > DISTURBED {
                speed_up.verdict = Verdict::TooNoisyToTell;
            }
            let most = Value::from(evidence.processors.min(8));
            speed_up.figures.insert("most", most);
            speed_up
        }
        Own(judge, _) => judge(evidence)?,
    };
    for (name, series) in claim.medians {
        let median = middle(&samples.series(*series)?)?.0;
        judgement.figures.insert(name, Value::from(median));
    }
    let verdict = Value::from(Serde(judgement.verdict));
    judgement.figures.insert("verdict", verdict);
    Some(judgement)
}

fn by_ratios(ratios: &[f64], steps: Steps) -> Judged {
    let (ratio, spread) = middle(ratios)?;
    let figures = [("ratio", Value::from(ratio))];
    Some(Judgement::new(steps.judge(ratios), spread, figures))
}

/// The median of ratios and how far they are spread.
fn middle(ratios: &[f64]) -> Option<(f64, String)> {
    let summary = Summary::of(ratios)?;
    let spread = format!("±{:.0} %", summary.relative_spread() * 100.0);
    Some((summary.median, spread))
}

/// How many of the rounds agree.
fn agreeing(values: &[f64], with: impl Fn(f64) -> bool) -> (usize, String) {
    let count = values.iter().filter(|value| with(**value)).count();
    (count, format!("{count}/{}", values.len()))
}

fn threads_race(evidence: &Evidence<'_>) -> Judged {
    let samples = evidence.samples;
    let careless = samples.get("races/read_then_write/lost_share")?;
    let careful = samples.get("races/fetch_add/lost_share")?;
    let refused = samples.get("races/refused_by_compiler")?[0] > 0.0;
    let (losing, spread) = agreeing(careless, |lost| lost > 0.0);
    let clean = careful.iter().all(|lost| *lost == 0.0);
    let races = if losing == careless.len() && clean {
        Verdict::Holds
    } else if losing == 0 {
        Verdict::DoesNotHoldHere
    } else {
        Verdict::TooNoisyToTell
    };
    // Where the compiler refuses a program without synchronisation, that part
    // of the claim does not hold.
    let forgotten =
        if refused { Verdict::DoesNotHoldHere } else { Verdict::Holds };
    let figures = [("refused", Value::from(refused))];
    Some(Judgement::new(races.and(forgotten), spread, figures))
}

fn threads_deadlock(evidence: &Evidence<'_>) -> Judged {
    let samples = evidence.samples;
    let opposite = samples.get("locks/opposite_orders/stopped_flag")?;
    let same = samples.get("locks/one_order/stopped_flag")?;
    let (stopped, spread) = agreeing(opposite, |flag| flag > 0.0);
    let (also_stopped, _) = agreeing(same, |flag| flag > 0.0);
    let verdict = if also_stopped > 0 {
        // If the threads stop even with one order of locks, that is no
        // deadlock: something else is wrong.
        Verdict::TooNoisyToTell
    } else if stopped == opposite.len() {
        Verdict::Holds
    } else if stopped == 0 {
        Verdict::DoesNotHoldHere
    } else {
        Verdict::HoldsInPart
    };
    let counts = [("stopped", stopped), ("rounds", opposite.len())];
    let figures = counts.map(|(name, count)| (name, Value::from(count)));
    Some(Judgement::new(verdict, spread, figures))
}

fn processes_are_stable(evidence: &Evidence<'_>) -> Judged {
    const ALL: f64 = 0.999;
    let samples = evidence.samples;
    let processes = samples.get("crash/processes/others_served_share")?;
    let threads = samples.get("crash/threads/others_served_share")?;
    let (saved, spread) = agreeing(processes, |share| share >= ALL);
    let (lost, _) = agreeing(threads, |share| share < ALL);
    let verdict = if saved == processes.len() && lost == threads.len() {
        Verdict::Holds
    } else if saved == 0 || lost == 0 {
        Verdict::DoesNotHoldHere
    } else {
        Verdict::TooNoisyToTell
    };
    Some(Judgement::new(verdict, spread, []))
}

/// The idle connections beside which a program was measured, and how a round
/// trip grew from ten of them to the most.
fn growth_of(samples: &Samples, whose: &str) -> Option<(u64, Vec<f64>)> {
    let beside = samples.beside_idle(whose);
    let (most, at_most) = beside.last_key_value()?;
    Some((*most, pairwise_ratios(at_most, beside.get(&10)?)))
}

fn loop_scales(evidence: &Evidence<'_>) -> Judged {
    let samples = evidence.samples;
    let mut verdicts = Vec::new();
    let mut backends = Vec::new();
    let mut spreads = Vec::new();
    for name in ["epoll", "poll", "select"] {
        let (most, ratios) = growth_of(samples, name)?;
        // What grows does not scale.
        verdicts.push(match GROWS.judge(&ratios) {
            Verdict::Holds => Verdict::DoesNotHoldHere,
            Verdict::DoesNotHoldHere => Verdict::Holds,
            other => other,
        });
        let (ratio, spread) = middle(&ratios)?;
        backends.push(context! { name, ratio, most });
        spreads.push(spread);
    }
    let growth = |whose| -> Option<Value> {
        Some(Value::from(middle(&growth_of(samples, whose)?.1)?.0))
    };
    let figures = [
        ("backends", Value::from(backends)),
        ("threads", growth("threads")?),
        ("processes", growth("processes")?),
    ];
    // The spread is that of epoll, whose ratio is to be near one.
    Some(Judgement::new(all_of(verdicts), spreads.swap_remove(0), figures))
}

fn loop_is_hard(evidence: &Evidence<'_>) -> Judged {
    let samples = evidence.samples;
    let mut verdicts = Vec::new();
    let mut figures = Vec::new();
    for what in ["lines", "branches", "states"] {
        let count = |whose: &str| -> Option<f64> {
            Some(samples.get(&format!("source/{whose}/{what}_count"))?[0])
        };
        let counts = [count("mux")?, count("threads")?, count("processes")?];
        let [mux, threads, processes] = counts;
        // The same source gives the same count, so this verdict has no spread.
        verdicts.push(HARDER.of(mux / threads.max(processes)));
        let counts = counts.map(|count| count.to_string()).to_vec();
        figures.push((what, Value::from(counts)));
    }
    Some(Judgement::new(all_of(verdicts), "±0 %".to_owned(), figures))
}

/// The verdict on a claim that says several things.
fn all_of(verdicts: Vec<Verdict>) -> Verdict {
    verdicts.into_iter().reduce(Verdict::and).unwrap_or(Verdict::TooNoisyToTell)
}

fn loop_is_not_portable(evidence: &Evidence<'_>) -> Judged {
    let samples = evidence.samples;
    let has = |what: &str| -> Option<bool> {
        Some(samples.get(&format!("mechanisms/{what}"))?[0] > 0.0)
    };
    let mut here = Vec::new();
    let mut missing = Vec::new();
    for name in MECHANISMS {
        let here_or_not = if has(&format!("{name}/here"))? {
            &mut here
        } else {
            &mut missing
        };
        here_or_not.push(name);
    }
    let mut serving = Vec::new();
    for name in ["select", "poll", "epoll"] {
        if has(&format!("{name}/backend_serves"))? {
            serving.push(name);
        }
    }
    let verdict = if missing.is_empty() {
        Verdict::DoesNotHoldHere
    } else if here.contains(&"select") && here.contains(&"poll") {
        Verdict::HoldsInPart
    } else {
        Verdict::Holds
    };
    let agreeing = format!("{}/{}", here.len(), MECHANISMS.len());
    let figures = [("here", here), ("missing", missing), ("serving", serving)];
    let figures = figures.map(|(name, all)| (name, Value::from(all)));
    Some(Judgement::new(verdict, agreeing, figures))
}
