//! The eighteen claims that the course makes: the approach that each is about,
//! the experiments that it needs, and the rule by which its samples become a
//! verdict.
//!
//! A rule is a pure function over samples: the same samples give the same
//! verdict anywhere, and made-up ones test it. Its limits stand in [`Steps`],
//! and the words of [`crate::words`] are filled with them, so that neither can
//! say something else.

use std::collections::BTreeMap;

use minijinja::Value;
use serde::{Deserialize, Serialize};
use strum::{IntoStaticStr, VariantArray};

use crate::stats::{Summary, pairwise_ratios};

mod rules;
#[cfg(test)]
mod tests;

pub use rules::{CLAIMS, DISTURBED};

/// Something that is measured, for one claim or several, in the order in which
/// that is done: the shortest come first.
#[derive(Serialize, Deserialize, VariantArray)]
#[serde(rename_all = "kebab-case")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Experiment {
    /// The servers' own source, counted.
    Source,
    /// What this system has to wait for many descriptors with.
    Mechanisms,
    /// Counts from a worker to the total.
    Passing,
    /// Threads that count without care, and with.
    Races,
    /// Two locks in two orders.
    Deadlocks,
    /// Creation and end.
    Creation,
    /// One exchange for each connection, with and without a pool.
    Pools,
    /// Idle connections held open.
    Memory,
    /// Clients that wait before they send.
    Waiting,
    /// A fatal signal to one worker.
    Crash,
    /// Messages that cost processor time, of one client and of several.
    Compute,
    /// Light clients beside one that computes.
    Fairness,
    /// Many connections that all talk.
    Efficiency,
    /// One active connection beside idle ones.
    Scaling,
}

/// The mechanisms that are asked for, as the samples name them.
pub const MECHANISMS: [&str; 5] =
    ["select", "poll", "epoll", "kqueue", "io_uring"];

/// Which systems have which of [`MECHANISMS`], by their manuals. Windows has
/// `select` and `WSAPoll` for sockets only, and completion ports (IOCP) for
/// the rest; `io_uring` may be forbidden by the administrator.
pub const SYSTEMS: [(&str, [bool; 5]); 5] = [
    ("Linux", [true, true, true, false, true]),
    ("macOS", [true, true, false, true, false]),
    ("FreeBSD, OpenBSD, NetBSD", [true, true, false, true, false]),
    ("illumos", [true, true, true, false, false]),
    ("Windows", [true, true, false, false, false]),
];

/// The approach that the claim is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Approach {
    /// A thread for each connection.
    Threads,
    /// A process for each connection.
    Processes,
    /// One loop for all connections.
    Mux,
}

/// Whether it speaks for or against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The claim speaks for the approach.
    Advantage,
    /// The claim speaks against it.
    Disadvantage,
}

/// The verdict on a claim on this machine.
#[derive(Serialize, Deserialize, IntoStaticStr)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The claim holds here.
    Holds,
    /// Only a part of the claim holds here, or less than the claim suggests.
    HoldsInPart,
    /// The claim does not hold here.
    DoesNotHoldHere,
    /// The samples contradict one another.
    TooNoisyToTell,
    /// Something that the experiment needs is not on this machine.
    NotMeasured,
}

impl Verdict {
    /// The verdict on a claim that says two things.
    pub fn and(self, other: Self) -> Self {
        if self == other {
            self
        } else if self == Self::NotMeasured || other == Self::NotMeasured {
            Self::NotMeasured
        } else if self == Self::TooNoisyToTell || other == Self::TooNoisyToTell
        {
            Self::TooNoisyToTell
        } else {
            Self::HoldsInPart
        }
    }
}

/// By how many times one thing has to exceed another.
///
/// The limits stand well apart from what any machine known to us measures,
/// so that two runs on the same machine agree; where they do not stand apart
/// enough, the verdict says that the samples are too noisy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Steps {
    /// Up to so many times there is no difference worth a claim.
    pub none: f64,
    /// From so many times on there is.
    pub clear: f64,
}

impl Steps {
    fn of(self, times: f64) -> Verdict {
        if times >= self.clear {
            Verdict::Holds
        } else if times <= self.none {
            Verdict::DoesNotHoldHere
        } else {
            Verdict::HoldsInPart
        }
    }

    /// The verdict of ratios: of their middle half, which has to agree.
    pub fn judge(self, ratios: &[f64]) -> Verdict {
        let Some(summary) = Summary::of(ratios) else {
            return Verdict::TooNoisyToTell;
        };
        let low = self.of(summary.first_quartile);
        let high = self.of(summary.third_quartile);
        if low == high { low } else { Verdict::TooNoisyToTell }
    }
}

/// Samples by name: the experiment, whose, what, with the unit at the end.
/// The samples of one experiment stand in the order of their rounds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Samples(pub BTreeMap<String, Vec<f64>>);

impl Samples {
    /// Adds one sample.
    pub fn push(&mut self, name: impl Into<String>, value: f64) {
        self.0.entry(name.into()).or_default().push(value);
    }

    /// All samples of a name, if there are any.
    pub fn get(&self, name: &str) -> Option<&[f64]> {
        let values = self.0.get(name)?;
        (!values.is_empty()).then_some(values)
    }

    /// A series of figures, round by round; none where samples of it are not
    /// there.
    pub fn series(&self, series: Series) -> Option<Vec<f64>> {
        let together = |names: &[&str], of: fn(f64, f64) -> f64| {
            let mut columns = names.iter().map(|name| self.get(name));
            let first = columns.next()??.to_vec();
            columns.try_fold(first, |values, other| {
                let pairs = values.iter().zip(other?);
                Some(pairs.map(|(a, b)| of(*a, *b)).collect())
            })
        };
        match series {
            Series::Of(name) => Some(self.get(name)?.to_vec()),
            Series::Least(names) => together(names, f64::min),
            Series::Sum(names) => together(names, |a, b| a + b),
            Series::AtLeast(least, name) => {
                let values = self.get(name)?.iter();
                Some(values.map(|value| value.max(least)).collect())
            }
        }
    }

    /// The ratios of one series to another, round by round; none where samples
    /// of one are not there.
    pub fn ratios(&self, of: Series, to: Series) -> Option<Vec<f64>> {
        Some(pairwise_ratios(&self.series(of)?, &self.series(to)?))
    }

    /// The round trips of a program beside so many idle connections each.
    pub fn beside_idle(&self, whose: &str) -> BTreeMap<u64, &[f64]> {
        let beginning = format!("scaling/{whose}/beside_");
        let beside = self.0.iter().filter_map(|(name, values)| {
            let rest = name.strip_prefix(&beginning)?;
            let idle = rest.strip_suffix("/round_trip_ns")?.parse().ok()?;
            Some((idle, values.as_slice()))
        });
        beside.collect()
    }
}

/// What a rule judges by.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'run> {
    /// What was measured.
    pub samples: &'run Samples,
    /// Processors that could be used: no speed-up is greater.
    pub processors: usize,
    /// Why an experiment could not be done, by its name.
    pub missing: &'run BTreeMap<Experiment, String>,
}

/// Figures of the rounds, made of samples.
#[derive(Clone, Copy, Debug)]
pub enum Series {
    /// Samples as they are.
    Of(&'static str),
    /// The smallest of several in each round.
    Least(&'static [&'static str]),
    /// Several together in each round.
    Sum(&'static [&'static str]),
    /// Samples, of which none counts for less than this.
    AtLeast(f64, &'static str),
}

/// How the samples of a claim become its verdict.
#[derive(Clone, Copy, Debug)]
pub enum Rule {
    /// The ratio of one series to another is judged by these steps.
    Times(Series, Series, Steps),
    /// Each of two ratios is judged by its steps.
    Both([(Series, Series); 2], Steps),
    /// A speed-up has to, or how many times it is that of others, on processors
    /// that nothing else needs.
    SpeedUp(Series, Option<Series>),
    /// A function judges, with these steps if it needs some.
    Own(fn(&Evidence<'_>) -> Option<Judgement>, Option<Steps>),
}

/// Why there is no verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unmeasured {
    /// A speed-up needs two processors.
    OneProcessor,
    /// An experiment could not be done, for this reason.
    LeftOut(String),
}

/// What a rule says.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// What became of the claim.
    pub verdict: Verdict,
    /// The figures that say why, by the names that the words have for them.
    pub figures: BTreeMap<&'static str, Value>,
    /// How far the samples are from one another.
    pub spread: String,
    /// Why nothing was measured, where it was not.
    pub unmeasured: Option<Unmeasured>,
}

impl Judgement {
    fn new(
        verdict: Verdict,
        spread: String,
        figures: impl IntoIterator<Item = (&'static str, Value)>,
    ) -> Self {
        let figures = figures.into_iter().collect();
        Self { verdict, figures, spread, unmeasured: None }
    }

    fn not_measured(why: Unmeasured) -> Self {
        let unmeasured = Some(why);
        let nothing = Self::new(Verdict::NotMeasured, String::new(), []);
        Self { unmeasured, ..nothing }
    }
}

/// A claim, its experiments and its rule. Its words stand under its name in
/// [`crate::words`].
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// `T1` to `M6`.
    pub id: &'static str,
    /// The experiments that it needs.
    pub needs: &'static [Experiment],
    /// The rule.
    pub rule: Rule,
    /// The series whose medians the words name, beside what the rule itself
    /// computes.
    pub medians: &'static [(&'static str, Series)],
}

impl Claim {
    /// Whose it is: the letter of its name says so.
    pub fn approach(&self) -> Approach {
        match self.id.as_bytes()[0] {
            b'T' => Approach::Threads,
            b'P' => Approach::Processes,
            _ => Approach::Mux,
        }
    }

    /// The course has three claims for each approach, then three against it.
    pub fn kind(&self) -> Kind {
        match self.id.as_bytes()[1] {
            ..=b'3' => Kind::Advantage,
            _ => Kind::Disadvantage,
        }
    }

    /// The command that tests it alone.
    pub fn command(&self) -> String {
        format!("cargo run --profile lab -p lab -- evaluate {}", self.id)
    }

    /// The verdict on it, or `None` while its experiments are not done.
    pub fn judge(&self, evidence: &Evidence<'_>) -> Option<Judgement> {
        if let Some(judgement) = rules::judge(self, evidence) {
            return Some(judgement);
        }
        let why =
            self.needs.iter().find_map(|need| evidence.missing.get(need))?;
        Some(Judgement::not_measured(Unmeasured::LeftOut(why.clone())))
    }
}

/// The claims with these names, in their own order; all without any.
///
/// # Errors
///
/// When there is no claim of a name.
pub fn select(names: &[String]) -> anyhow::Result<Vec<Claim>> {
    let is = |claim: &Claim, name: &str| claim.id.eq_ignore_ascii_case(name);
    for name in names {
        anyhow::ensure!(
            CLAIMS.iter().any(|claim| is(claim, name)),
            "there is no claim {name}; there are T1 to T6, P1 to P6, M1 to M6"
        );
    }
    let selected = |claim: &Claim| {
        names.is_empty() || names.iter().any(|name| is(claim, name))
    };
    Ok(CLAIMS.into_iter().filter(selected).collect())
}
