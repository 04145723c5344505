//! The evaluation: about a dozen experiments that answer all eighteen
//! claims on the reader's own machine.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::time::Instant;

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};
use strum::VariantArray as _;

use crate::catalogue::{self, Catalogue, Linkage, Program};
use crate::claims::{
    CLAIMS, Claim, Evidence, Experiment, Judgement, Samples, Verdict,
};
use crate::growth;
use crate::header::Header;
use crate::load::Live;
use crate::measure::Observer;

mod inside;
mod mechanisms;
pub mod page;
pub mod pictures;
mod served;
mod source;

pub use inside::{UNSYNCHRONISED, count_into_memory, count_into_pipe};

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Effort {
    /// Samples of each figure.
    pub rounds: u32,
    /// The counted part of a sample of load, seconds.
    pub seconds: f64,
    /// Load before, not counted, seconds.
    pub warm_up_seconds: f64,
    /// Connections that are held open, or that talk at the same time.
    pub connections: usize,
    /// Clients that each wait before they send.
    pub waiting: usize,
    /// How often these wait for a server that serves one after the other.
    pub serial_rounds: u32,
    /// Messages that cost processor time, of each client.
    pub heavy_messages: u32,
    /// How far the curves beside idle connections go.
    pub growth: growth::Effort,
}

impl Effort {
    /// For the book.
    pub const FULL: Self = Self {
        rounds: 7,
        seconds: 0.5,
        warm_up_seconds: 0.1,
        connections: 1000,
        waiting: 100,
        serial_rounds: 3,
        heavy_messages: 25,
        growth: growth::Effort {
            rounds: 3,
            seconds: 0.2,
            connections: 10_000,
            workers: 3000,
            parent_mib: 0,
        },
    };
    /// For a quick look at this machine.
    pub const QUICK: Self = Self {
        rounds: 3,
        seconds: 0.2,
        warm_up_seconds: 0.05,
        connections: 200,
        waiting: 20,
        serial_rounds: 2,
        heavy_messages: 10,
        growth: growth::Effort {
            rounds: 2,
            seconds: 0.06,
            connections: 1000,
            workers: 300,
            parent_mib: 0,
        },
    };
}

/// What does an experiment.
type Act = fn(&mut Bench<'_>) -> Result<()>;

impl Experiment {
    /// What does it, in how many steps, and about how many seconds each takes.
    fn plan(self, effort: &Effort) -> (Act, f64, f64) {
        let rounds = f64::from(effort.rounds);
        let connections = effort.connections as f64;
        let load = effort.seconds + effort.warm_up_seconds;
        let heavy = f64::from(effort.heavy_messages) * served::WORK;
        match self {
            Self::Source => (source::count, 1.0, 0.1),
            Self::Mechanisms => (mechanisms::probe, 1.0, 0.2),
            Self::Passing => (inside::passing, rounds, 0.3),
            Self::Races => (inside::races, rounds, 0.1),
            Self::Deadlocks => (inside::deadlocks, rounds, 1.0),
            Self::Creation => (inside::creation, rounds, 0.2),
            Self::Pools => (served::pools, 5.0 * rounds, load + 0.05),
            Self::Memory => {
                (served::memory, 3.0 * rounds, 0.3 + connections * 1.0e-3)
            }
            Self::Waiting => {
                let one = effort.waiting as f64 * served::WAIT.as_secs_f64();
                let rounds = f64::from(effort.serial_rounds);
                (served::waiting, rounds, one + 0.1 + 3.0 * 0.25)
            }
            Self::Crash => (served::crash, 3.0 * rounds, 0.15),
            Self::Compute => {
                (served::compute, 5.0 * rounds, 2.7 * heavy + 0.05)
            }
            Self::Fairness => {
                (served::fairness, 3.0 * rounds, 2.0 * load + 0.1)
            }
            Self::Efficiency => {
                (served::efficiency, 4.0 * rounds, load + connections * 0.5e-3)
            }
            Self::Scaling => (served::scaling, 1.0, effort.growth.estimate()),
        }
    }
}

/// What experiments are done with.
struct Bench<'run> {
    catalogue: &'run Catalogue,
    effort: Effort,
    live: &'run Live,
    observer: &'run mut dyn Observer,
    /// Estimated seconds of a step of the present experiment.
    step: f64,
    /// Estimated seconds of its steps that are still to come.
    left: f64,
    /// What cannot be measured here, and why.
    missing: BTreeMap<Experiment, String>,
    /// Programs that took part.
    used: BTreeSet<Program>,
    /// What the present experiment has found so far.
    samples: Samples,
}

impl Bench<'_> {
    /// The next step of an experiment.
    fn begins(&mut self, what: &str) -> Result<()> {
        ensure!(!self.live.stops(), "stopped");
        self.observer.begins(what, self.step);
        self.left -= self.step;
        Ok(())
    }

    /// Adds one sample.
    fn push(&mut self, name: impl Into<String>, value: f64) {
        self.samples.push(name, value);
    }
}

/// What was found out about one claim.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The claim.
    pub claim: Claim,
    /// What its rule says.
    pub judgement: Judgement,
}

/// A whole evaluation: what `evaluation.json` holds. There are figures and
/// codes in it and no words, so that these may change without a new
/// measurement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// When, how long and where. When it was stopped early claims are missing.
    #[serde(flatten)]
    pub header: Header,
    /// With what.
    pub versions: BTreeMap<String, String>,
    /// How process-server is linked.
    pub linkage: Linkage,
    /// How much was measured.
    pub effort: Effort,
    /// What could not be measured, and why.
    pub missing: BTreeMap<Experiment, String>,
    /// How long each experiment took, seconds.
    pub took: BTreeMap<Experiment, f64>,
    /// What became of each claim that was tested.
    pub verdicts: BTreeMap<String, Verdict>,
    /// Every sample, in the order of the rounds; the unit ends the name.
    pub samples: Samples,
}

impl Evaluation {
    /// The form that this version writes.
    pub const FORM: u32 = 2;

    /// What today's rules make of these samples, for each claim tested.
    pub fn findings(&self) -> Vec<Finding> {
        let tested = |claim: &Claim| self.verdicts.contains_key(claim.id);
        self.judged(CLAIMS.into_iter().filter(tested))
    }

    /// What the rules say of those of these claims whose experiments are done.
    fn judged(&self, claims: impl Iterator<Item = Claim>) -> Vec<Finding> {
        let evidence = Evidence {
            samples: &self.samples,
            processors: self.header.machine.processors,
            missing: &self.missing,
        };
        let finding = |claim: Claim| {
            let judgement = claim.judge(&evidence)?;
            Some(Finding { claim, judgement })
        };
        claims.filter_map(finding).collect()
    }

    /// The verdicts of today's rules.
    pub fn judged_anew(&self) -> BTreeMap<String, Verdict> {
        verdicts(&self.findings())
    }
}

fn verdicts(findings: &[Finding]) -> BTreeMap<String, Verdict> {
    let verdict = |it: &Finding| (it.claim.id.to_owned(), it.judgement.verdict);
    findings.iter().map(verdict).collect()
}

/// The experiments that some claims need, in the order in which they are
/// done.
fn agenda(claims: &[Claim]) -> Vec<Experiment> {
    Experiment::VARIANTS
        .iter()
        .copied()
        .filter(|it| claims.iter().any(|claim| claim.needs.contains(it)))
        .collect()
}

/// Seconds that it takes to test these claims, about.
pub fn estimate(claims: &[Claim], effort: &Effort) -> f64 {
    let plans = agenda(claims).into_iter().map(|it| it.plan(effort));
    plans.map(|(_, steps, seconds)| steps * seconds).sum()
}

/// Tests claims. When `live` is asked to stop, the evaluation holds those
/// that are finished by then.
pub fn run(
    catalogue: &Catalogue,
    claims: &[Claim],
    effort: &Effort,
    live: &Live,
    observer: &mut dyn Observer,
) -> Evaluation {
    let clock = Instant::now();
    let header = Header::new(Evaluation::FORM);
    let mut bench = Bench {
        catalogue,
        effort: *effort,
        live,
        observer,
        step: 0.0,
        left: 0.0,
        missing: BTreeMap::new(),
        used: BTreeSet::new(),
        samples: Samples::default(),
    };
    let mut samples = Samples::default();
    let mut took = BTreeMap::new();
    for experiment in agenda(claims) {
        let (act, steps, seconds) = experiment.plan(effort);
        bench.step = seconds;
        bench.left = steps * seconds;
        let began = Instant::now();
        let result = act(&mut bench);
        let mut found = mem::take(&mut bench.samples);
        took.insert(experiment, began.elapsed().as_secs_f64());
        bench.observer.skips(bench.left);
        match result {
            Ok(()) => samples.0.append(&mut found.0),
            Err(_) if live.stops() => break,
            Err(error) => {
                let why = format!("{error:#}");
                bench
                    .observer
                    .says(&format!("left out: {experiment:?}: {why}"));
                bench.missing.insert(experiment, why);
            }
        }
    }
    let mut evaluation = Evaluation {
        header: header.ended(clock, !live.stops()),
        versions: catalogue::versions(&bench.used),
        linkage: Linkage::OURS,
        effort: *effort,
        missing: bench.missing,
        took,
        verdicts: BTreeMap::new(),
        samples,
    };
    let findings = evaluation.judged(claims.iter().copied());
    evaluation.verdicts = verdicts(&findings);
    evaluation
}
