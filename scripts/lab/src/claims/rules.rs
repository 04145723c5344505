//! The rules: what the samples of each claim come to.

use minijinja::value::Serde;
use minijinja::{Value, context};

use super::Experiment as E;
use super::{Claim, Evidence, Judgement, Lacking, MECHANISMS, Ratio, Rule};
use super::{Samples, Series, Steps, Unmeasured, Verdict};
use crate::stats::{Summary, pairwise_ratios};

type Judged = Result<Judgement, Lacking>;

/// How much more memory, or processor time, is worth a claim.
const MORE: Steps = Steps { none: 1.1, clear: 1.4 };
/// How many times slower a way to communicate, or to create, has to be.
const SLOWER: Steps = Steps { none: 1.2, clear: 2.0 };
/// The loop's memory: not a little less, but of another kind.
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

const fn times(of: Series, to: Series, steps: Steps) -> Rule {
    Rule::Times(over(of, to), steps)
}

const fn over(of: Series, to: Series) -> Ratio {
    Ratio { of, to: Some(to) }
}

const THREAD: Series = Series::Of("memory/threads/user_kib");
const PROCESS: Series = Series::Of("memory/processes/user_kib");
/// What is less than nothing is less than can be measured: 16 bytes.
const ENTRY: Series = Series::AtLeast(1.0 / 64.0, "memory/mux/user_kib");
const THREAD_WITH_TABLES: Series =
    Series::Sum(&["memory/threads/user_kib", "memory/threads/page_tables_kib"]);
const PROCESS_WITH_TABLES: Series = Series::Sum(&[
    "memory/processes/user_kib",
    "memory/processes/page_tables_kib",
]);
const ATOMIC: Series = Series::Of("passing/threads/atomic_ns");
const CHANNEL: Series = Series::Of("passing/threads/channel_ns");
const PIPE: Series = Series::Of("passing/processes/pipe_ns");
const SHARED: Series = Series::Of("passing/processes/shared_memory_ns");
const TOGETHER_MS: Series = Series::Of("waiting/threads/wall_ms");
const SERIAL_MS: Series = Series::Of("waiting/one_after_the_other/wall_ms");
const RUST_THREADS: Series = Series::Of("compute/threads/speed_up_times");
const RUST_PROCESSES: Series = Series::Of("compute/processes/speed_up_times");
const PYTHON_THREADS: Series =
    Series::Of("compute/python_threading/speed_up_times");
const PYTHON_PROCESSES: Series =
    Series::Of("compute/python_multiprocessing/speed_up_times");
const FORK: Series = Series::Of("creation/process_ns");
const SPAWN: Series = Series::Of("creation/thread_ns");
const IN_LOOP: Series = Series::Of("fairness/mux/beside_heavy_ns");
const BEST_LOOP: Series = Series::Least(&[
    "efficiency/poll/cpu_each_ns",
    "efficiency/epoll/cpu_each_ns",
]);

/// All eighteen, as the course states them: for and against each approach.
pub const CLAIMS: [Claim; 18] = {
    use Series::{Least, Of};
    [
        Claim {
            id: "T1",
            needs: &[E::Memory],
            rule: times(PROCESS, THREAD, MORE),
            medians: &[("thread", THREAD), ("process", PROCESS)],
        },
        Claim {
            id: "T2",
            needs: &[E::Passing],
            rule: times(PIPE, CHANNEL, SLOWER),
            medians: &[
                ("atomic", ATOMIC),
                ("mutex", Of("passing/threads/mutex_ns")),
                ("channel", CHANNEL),
                ("pipe", PIPE),
            ],
        },
        Claim {
            id: "T3",
            needs: &[E::Waiting],
            rule: times(SERIAL_MS, TOGETHER_MS, TOGETHER),
            medians: &[("threads", TOGETHER_MS), ("serial", SERIAL_MS)],
        },
        Claim {
            id: "T4",
            needs: &[E::Races],
            rule: Rule::Own(threads_race, None),
            medians: &[("lost", Of("races/read_then_write/lost_share"))],
        },
        Claim {
            id: "T5",
            needs: &[E::Compute],
            rule: Rule::SpeedUp(over(RUST_THREADS, PYTHON_THREADS)),
            medians: &[("rust", RUST_THREADS), ("python", PYTHON_THREADS)],
        },
        Claim {
            id: "T6",
            needs: &[E::Deadlocks],
            rule: Rule::Own(threads_deadlock, None),
            medians: &[
                ("after", Of("locks/opposite_orders/turns_count")),
                ("on", Of("locks/one_order/turns_count")),
            ],
        },
        Claim {
            id: "P1",
            needs: &[E::Compute],
            rule: Rule::SpeedUp(Ratio { of: RUST_PROCESSES, to: None }),
            medians: &[
                ("processes", RUST_PROCESSES),
                ("threads", RUST_THREADS),
                ("mux", Of("compute/mux/speed_up_times")),
            ],
        },
        Claim {
            id: "P2",
            needs: &[E::Crash],
            rule: Rule::Own(processes_are_stable, None),
            medians: &[
                ("processes", Of("crash/processes/others_served_share")),
                ("threads", Of("crash/threads/others_served_share")),
                ("mux", Of("crash/mux/others_served_share")),
            ],
        },
        Claim {
            id: "P3",
            needs: &[E::Compute],
            rule: Rule::SpeedUp(over(PYTHON_PROCESSES, PYTHON_THREADS)),
            medians: &[
                ("multiprocessing", PYTHON_PROCESSES),
                ("threading", PYTHON_THREADS),
                ("rust", RUST_PROCESSES),
            ],
        },
        Claim {
            id: "P4",
            needs: &[E::Memory],
            rule: times(PROCESS_WITH_TABLES, THREAD_WITH_TABLES, MORE),
            medians: &[
                ("thread", THREAD_WITH_TABLES),
                ("process", PROCESS_WITH_TABLES),
                ("kernel_thread", Of("memory/threads/kernel_kib")),
                ("kernel_process", Of("memory/processes/kernel_kib")),
            ],
        },
        Claim {
            id: "P5",
            needs: &[E::Passing],
            rule: Rule::Both(over(PIPE, CHANNEL), over(SHARED, ATOMIC), SLOWER),
            medians: &[
                ("pipe", PIPE),
                ("channel", CHANNEL),
                ("memory", SHARED),
                ("atomic", ATOMIC),
            ],
        },
        Claim {
            id: "P6",
            needs: &[E::Creation, E::Pools],
            rule: times(FORK, SPAWN, SLOWER),
            medians: &[
                ("process", FORK),
                ("thread", SPAWN),
                ("entry", Of("creation/table_entry_ns")),
                ("each", Of("pools/processes/cpu_each_ns")),
                ("pool", Of("pools/processes_pool/cpu_each_ns")),
            ],
        },
        Claim {
            id: "M1",
            needs: &[E::Efficiency],
            rule: times(
                Least(&[
                    "efficiency/threads/cpu_each_ns",
                    "efficiency/processes/cpu_each_ns",
                ]),
                BEST_LOOP,
                MORE,
            ),
            medians: &[
                ("mux", BEST_LOOP),
                ("threads", Of("efficiency/threads/cpu_each_ns")),
                ("processes", Of("efficiency/processes/cpu_each_ns")),
                ("loop_switches", Of("efficiency/poll/switches_each_count")),
                (
                    "thread_switches",
                    Of("efficiency/threads/switches_each_count"),
                ),
            ],
        },
        Claim {
            id: "M2",
            needs: &[E::Memory],
            // A ratio to almost nothing is spread wide and yet clear.
            rule: times(
                Least(&[
                    "memory/threads/user_kib",
                    "memory/processes/user_kib",
                ]),
                ENTRY,
                FAR_LESS,
            ),
            medians: &[
                ("entry", ENTRY),
                ("thread", THREAD),
                ("process", PROCESS),
            ],
        },
        Claim {
            id: "M3",
            needs: &[E::Scaling],
            rule: Rule::Own(loop_scales, Some(GROWS)),
            medians: &[],
        },
        Claim {
            id: "M4",
            needs: &[E::Source],
            rule: Rule::Own(loop_is_hard, Some(HARDER)),
            medians: &[],
        },
        Claim {
            id: "M5",
            needs: &[E::Fairness],
            rule: times(
                IN_LOOP,
                Least(&[
                    "fairness/threads/beside_heavy_ns",
                    "fairness/processes/beside_heavy_ns",
                ]),
                WAITS,
            ),
            medians: &[
                ("mux", IN_LOOP),
                ("alone", Of("fairness/mux/alone_ns")),
                ("threads", Of("fairness/threads/beside_heavy_ns")),
                ("processes", Of("fairness/processes/beside_heavy_ns")),
            ],
        },
        Claim {
            id: "M6",
            needs: &[E::Mechanisms],
            rule: Rule::Own(loop_is_not_portable, None),
            medians: &[],
        },
    ]
};

impl Rule {
    /// The limits that it judges by, where these are times.
    #[must_use]
    pub fn steps(self) -> Option<Steps> {
        match self {
            Self::Times(_, steps) | Self::Both(_, _, steps) => Some(steps),
            Self::SpeedUp(_) => Some(SPEED_UP),
            Self::Own(_, steps) => steps,
        }
    }
}

/// What the rule of a claim says, with all the figures that its words name.
pub(super) fn judge(claim: &Claim, evidence: &Evidence<'_>) -> Judged {
    let samples = evidence.samples;
    let mut judgement = match claim.rule {
        Rule::Times(ratio, steps) => by_ratio(samples, ratio, steps)?,
        Rule::Both(first, second, steps) => {
            let mut both = by_ratio(samples, first, steps)?;
            let ratios = samples.ratios(second)?;
            both.verdict = both.verdict.and(steps.judge(&ratios));
            let second = Value::from(middle(&ratios)?.0);
            both.figures.insert("second_ratio", second);
            both
        }
        Rule::SpeedUp(_) if evidence.processors < 2 => {
            let why = Unmeasured::OneProcessor;
            return Ok(Judgement::not_measured(why));
        }
        Rule::SpeedUp(ratio) => {
            let mut speed_up = by_ratio(samples, ratio, SPEED_UP)?;
            // It says nothing while something else needs the processors.
            let others = samples.summary("compute/others_share")?;
            if others.median > DISTURBED {
                speed_up.verdict = Verdict::TooNoisy;
            }
            let most = Value::from(evidence.processors.min(8));
            speed_up.figures.insert("most", most);
            speed_up
        }
        Rule::Own(judge, _) => judge(evidence)?,
    };
    for (name, series) in claim.medians {
        let median = middle(&samples.series(*series)?)?.0;
        judgement.figures.insert(name, Value::from(median));
    }
    let verdict = Value::from(Serde(judgement.verdict));
    judgement.figures.insert("verdict", verdict);
    Ok(judgement)
}

fn by_ratio(samples: &Samples, ratio: Ratio, steps: Steps) -> Judged {
    let ratios = samples.ratios(ratio)?;
    let (ratio, spread) = middle(&ratios)?;
    let figures = [("ratio", Value::from(ratio))];
    Ok(Judgement::new(steps.judge(&ratios), spread, figures))
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
        Verdict::DoesNotHold
    } else {
        Verdict::TooNoisy
    };
    // Where the compiler lets nobody forget the synchronisation, that part
    // of the claim is gone.
    let forgotten = if refused { Verdict::DoesNotHold } else { Verdict::Holds };
    let figures = [("refused", Value::from(refused))];
    Ok(Judgement::new(races.and(forgotten), spread, figures))
}

fn threads_deadlock(evidence: &Evidence<'_>) -> Judged {
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
    let counts = [("stopped", stopped), ("rounds", opposite.len())];
    let figures = counts.map(|(name, count)| (name, Value::from(count)));
    Ok(Judgement::new(verdict, spread, figures))
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
        Verdict::DoesNotHold
    } else {
        Verdict::TooNoisy
    };
    Ok(Judgement::new(verdict, spread, []))
}

/// The idle connections beside which a program was measured, and how a round
/// trip grew from ten of them to the most.
fn growth_of(
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
    let beside =
        |idle: u64| samples.get(&format!("{beginning}{idle}/round_trip_ns"));
    Ok((most, pairwise_ratios(beside(most)?, beside(10)?)))
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
            Verdict::Holds => Verdict::DoesNotHold,
            Verdict::DoesNotHold => Verdict::Holds,
            other => other,
        });
        let (ratio, spread) = middle(&ratios)?;
        backends.push(context! { name, ratio, most });
        spreads.push(spread);
    }
    let growth = |whose| -> Result<Value, Lacking> {
        Ok(Value::from(middle(&growth_of(samples, whose)?.1)?.0))
    };
    let figures = [
        ("backends", Value::from(backends)),
        ("threads", growth("threads")?),
        ("processes", growth("processes")?),
    ];
    // The spread is that of epoll, whose ratio is to be near one.
    Ok(Judgement::new(all_of(verdicts), spreads.swap_remove(0), figures))
}

fn loop_is_hard(evidence: &Evidence<'_>) -> Judged {
    let samples = evidence.samples;
    let mut verdicts = Vec::new();
    let mut figures = Vec::new();
    for what in ["lines", "branches", "states"] {
        let count = |whose: &str| -> Result<f64, Lacking> {
            Ok(samples.get(&format!("source/{whose}/{what}_count"))?[0])
        };
        let counts = [count("mux")?, count("threads")?, count("processes")?];
        let [mux, threads, processes] = counts;
        // The same source gives the same count: nothing to be in doubt of.
        verdicts.push(HARDER.of(mux / threads.max(processes)));
        let counts = counts.map(|count| count.to_string()).to_vec();
        figures.push((what, Value::from(counts)));
    }
    Ok(Judgement::new(all_of(verdicts), "±0 %".to_owned(), figures))
}

/// The verdict on a claim that says several things.
fn all_of(verdicts: Vec<Verdict>) -> Verdict {
    verdicts.into_iter().reduce(Verdict::and).unwrap_or(Verdict::TooNoisy)
}

fn loop_is_not_portable(evidence: &Evidence<'_>) -> Judged {
    let samples = evidence.samples;
    let has = |what: &str| -> Result<bool, Lacking> {
        Ok(samples.get(&format!("mechanisms/{what}"))?[0] > 0.0)
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
        Verdict::DoesNotHold
    } else if here.contains(&"select") && here.contains(&"poll") {
        Verdict::InPart
    } else {
        Verdict::Holds
    };
    let agreeing = format!("{}/{}", here.len(), MECHANISMS.len());
    let figures = [("here", here), ("missing", missing), ("serving", serving)];
    let figures = figures.map(|(name, all)| (name, Value::from(all)));
    Ok(Judgement::new(verdict, agreeing, figures))
}
