//! The eighteen claims that the course makes: what each says, how it is
//! tested, and the rule by which its samples become a verdict.
//!
//! A rule is a pure function over samples: the same samples give the same
//! verdict anywhere, and made-up ones test it. Its limits stand in [`Steps`],
//! from which its words are made too, so that neither can say something else.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::language::Language;
use crate::stats::{Summary, pairwise_ratios};

mod rules;
#[cfg(test)]
mod tests;
mod wording;

pub use wording::all;

/// The same words in both languages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Text {
    /// In English.
    pub en: String,
    /// In Spanish.
    pub es: String,
}

impl Text {
    /// A pair of words.
    #[must_use]
    pub fn new(en: impl Into<String>, es: impl Into<String>) -> Self {
        Self { en: en.into(), es: es.into() }
    }

    /// In one of the languages.
    #[must_use]
    pub fn of(&self, language: Language) -> &str {
        match language {
            Language::English => &self.en,
            Language::Spanish => &self.es,
        }
    }
}

/// Something that is measured, for one claim or several.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
)]
#[serde(rename_all = "kebab-case")]
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

impl Experiment {
    /// All of them, in the order in which they are done: what is soon over
    /// comes first.
    pub const ALL: [Self; 14] = [
        Self::Source,
        Self::Mechanisms,
        Self::Passing,
        Self::Races,
        Self::Deadlocks,
        Self::Creation,
        Self::Pools,
        Self::Memory,
        Self::Waiting,
        Self::Crash,
        Self::Compute,
        Self::Fairness,
        Self::Efficiency,
        Self::Scaling,
    ];
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

/// Whose claim it is.
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

impl Approach {
    /// In words.
    #[must_use]
    pub fn title(self) -> Text {
        match self {
            Self::Threads => Text::new("Threads", "Hilos"),
            Self::Processes => Text::new("Processes", "Procesos"),
            Self::Mux => Text::new("Multiplexing", "Multiplexación"),
        }
    }
}

/// Whether it speaks for or against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// For.
    Advantage,
    /// Against.
    Disadvantage,
}

impl Kind {
    /// In words.
    #[must_use]
    pub fn title(self) -> Text {
        match self {
            Self::Advantage => Text::new("advantage", "ventaja"),
            Self::Disadvantage => Text::new("disadvantage", "desventaja"),
        }
    }
}

/// What became of a claim on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// It is so here.
    #[serde(rename = "holds")]
    Holds,
    /// It is so, but not all of it, or less than the claim suggests.
    #[serde(rename = "holds in part")]
    InPart,
    /// It is not so here.
    #[serde(rename = "does not hold here")]
    DoesNotHold,
    /// The samples contradict one another.
    #[serde(rename = "too noisy to tell")]
    TooNoisy,
    /// Something that the experiment needs is not on this machine.
    #[serde(rename = "not measured")]
    NotMeasured,
}

impl Verdict {
    /// In words.
    #[must_use]
    pub fn title(self) -> Text {
        match self {
            Self::Holds => Text::new("holds", "se cumple"),
            Self::InPart => Text::new("holds in part", "se cumple en parte"),
            Self::DoesNotHold => {
                Text::new("does not hold here", "no se cumple aquí")
            }
            Self::TooNoisy => {
                Text::new("too noisy to tell", "demasiado ruido para decidir")
            }
            Self::NotMeasured => Text::new("not measured", "no medida"),
        }
    }

    /// Of a claim that says two things.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        if self == other {
            self
        } else if self == Self::NotMeasured || other == Self::NotMeasured {
            Self::NotMeasured
        } else if self == Self::TooNoisy || other == Self::TooNoisy {
            Self::TooNoisy
        } else {
            Self::InPart
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.pad(&self.title().en)
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
            Verdict::DoesNotHold
        } else {
            Verdict::InPart
        }
    }

    /// The verdict of ratios: of their middle half, which has to agree.
    #[must_use]
    pub fn judge(self, ratios: &[f64]) -> Verdict {
        let Some(summary) = Summary::of(ratios) else {
            return Verdict::TooNoisy;
        };
        let low = self.of(summary.first_quartile);
        let high = self.of(summary.third_quartile);
        if low == high { low } else { Verdict::TooNoisy }
    }

    /// The rule in words, about something that is so many times something
    /// else.
    #[must_use]
    pub fn words(self, ratio: &str, razon: &str) -> Text {
        let Self { none, clear } = self;
        Text::new(
            format!(
                "{ratio}, round by round: the claim holds from {clear} \
                 times on, does not hold up to {none} times, and holds in \
                 part between them. When the middle half of the rounds \
                 reaches across a limit, it is too noisy to tell."
            ),
            format!(
                "{razon}, ronda por ronda: la afirmación se cumple desde \
                 {clear} veces, no se cumple hasta {none} veces y se cumple \
                 en parte entre ambas. Si la mitad central de las rondas \
                 cruza un límite, hay demasiado ruido para decidir."
            ),
        )
    }
}

/// Samples by name: the experiment, whose, what, with the unit at the end.
/// Those of one experiment stand in the order of their rounds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Samples(pub BTreeMap<String, Vec<f64>>);

/// A rule cannot speak, since these samples are not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lacking(pub String);

impl Samples {
    /// Adds one sample.
    pub fn push(&mut self, name: impl Into<String>, value: f64) {
        self.0.entry(name.into()).or_default().push(value);
    }

    /// All samples of a name.
    ///
    /// # Errors
    ///
    /// When there are none.
    pub fn get(&self, name: &str) -> Result<&[f64], Lacking> {
        match self.0.get(name) {
            Some(values) if !values.is_empty() => Ok(values),
            _ => Err(Lacking(name.to_owned())),
        }
    }

    /// What the samples of a name come to.
    ///
    /// # Errors
    ///
    /// When there are none.
    pub fn summary(&self, name: &str) -> Result<Summary, Lacking> {
        Summary::of(self.get(name)?).ok_or_else(|| Lacking(name.to_owned()))
    }

    /// The ratios of one to another, round by round.
    ///
    /// # Errors
    ///
    /// When one of them is not there.
    pub fn ratios(
        &self,
        above: &str,
        below: &str,
    ) -> Result<Vec<f64>, Lacking> {
        Ok(pairwise_ratios(self.get(above)?, self.get(below)?))
    }

    /// The smallest of several in each round.
    ///
    /// # Errors
    ///
    /// When one of them is not there.
    pub fn least(&self, names: &[&str]) -> Result<Vec<f64>, Lacking> {
        let mut least: Vec<f64> = Vec::new();
        for name in names {
            let values = self.get(name)?;
            if least.is_empty() {
                least = values.to_vec();
            }
            least.truncate(values.len());
            for (least, value) in least.iter_mut().zip(values) {
                *least = least.min(*value);
            }
        }
        Ok(least)
    }

    /// Adds all of another's.
    pub fn add(&mut self, other: Self) {
        for (name, values) in other.0 {
            self.0.entry(name).or_default().extend(values);
        }
    }

    /// Those whose names begin with one of these words.
    #[must_use]
    pub fn beginning_with(&self, words: &[&str]) -> Self {
        let of_these =
            |name: &String| words.iter().any(|word| name.starts_with(word));
        let chosen = self.0.iter().filter(|(name, _)| of_these(name));
        Self(
            chosen
                .map(|(name, values)| (name.clone(), values.clone()))
                .collect(),
        )
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
    pub missing: &'run BTreeMap<Experiment, Text>,
}

/// What a rule says.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// What became of the claim.
    pub verdict: Verdict,
    /// The figures that say why.
    pub figure: Text,
    /// How far the samples are from one another.
    pub spread: String,
}

/// A claim, its experiment and its rule.
#[derive(Clone)]
pub struct Claim {
    /// `T1` to `M6`.
    pub id: &'static str,
    /// Whose.
    pub approach: Approach,
    /// For or against.
    pub kind: Kind,
    /// What it says.
    pub claim: Text,
    /// How it is tested: what varies, what is kept equal.
    pub experiment: Text,
    /// The rule in words.
    pub rule: Text,
    /// The experiments that it needs.
    pub needs: &'static [Experiment],
    /// The beginnings of the names of its samples.
    pub samples: &'static [&'static str],
    /// The rule.
    pub judge: fn(&Evidence<'_>) -> Result<Judgement, Lacking>,
}

impl fmt::Debug for Claim {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.debug_struct("Claim").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Claim {
    /// The command that tests it alone.
    #[must_use]
    pub fn command(&self) -> String {
        format!("cargo run --profile lab -p lab -- evaluate {}", self.id)
    }

    /// The verdict on it, or `None` while its experiments are not done.
    #[must_use]
    pub fn judge(&self, evidence: &Evidence<'_>) -> Option<Judgement> {
        if let Ok(judgement) = (self.judge)(evidence) {
            return Some(judgement);
        }
        let why =
            self.needs.iter().find_map(|need| evidence.missing.get(need))?;
        Some(Judgement {
            verdict: Verdict::NotMeasured,
            figure: why.clone(),
            spread: String::new(),
        })
    }
}

/// The claims with these names, in their own order; all without any.
///
/// # Errors
///
/// When there is no claim of a name.
pub fn select(names: &[String]) -> anyhow::Result<Vec<Claim>> {
    let all = all();
    for name in names {
        anyhow::ensure!(
            all.iter().any(|claim| claim.id.eq_ignore_ascii_case(name)),
            "there is no claim {name}; there are T1 to T6, P1 to P6, M1 to M6"
        );
    }
    let selected = |claim: &Claim| {
        names.is_empty()
            || names.iter().any(|name| claim.id.eq_ignore_ascii_case(name))
    };
    Ok(all.into_iter().filter(selected).collect())
}
