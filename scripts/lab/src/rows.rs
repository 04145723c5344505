//! What the servers have to reach, as a table: each row a program, a work, a
//! figure, what it is compared with, and a bound.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::catalogue::Program;
use crate::load::BUSY_CLIENT;
use crate::measure::{Metric, NOISY, Sample, Work};
use crate::stats::{Summary, median, pairwise_ratios};
use Program as P;

/// One comparison with a bound.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The group that it belongs to; what is named on the command line.
    pub name: String,
    /// The programs whose figure it is; the best of several counts.
    pub subject: Vec<Program>,
    /// The work that they do.
    pub work: Work,
    /// The figure.
    pub metric: Metric,
    /// What the figure is compared with.
    pub against: Against,
    /// What must hold.
    pub bound: Bound,
}

/// What a figure is compared with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Against {
    /// The best of these programs at the same work.
    Best(Vec<Program>),
    /// Its own figure at another work.
    Itself(Work),
    /// Nothing: the bound is absolute, and holds for every sample.
    Nothing,
}

/// What must hold for the ratio of subject to reference, or for the figure
/// itself where there is no reference.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bound {
    /// Not less.
    AtLeast(f64),
    /// Not more.
    AtMost(f64),
}

impl Bound {
    fn holds(self, value: f64) -> bool {
        match self {
            Self::AtLeast(bound) => value >= bound,
            Self::AtMost(bound) => value <= bound,
        }
    }

    /// The bound itself.
    #[must_use]
    pub fn value(self) -> f64 {
        match self {
            Self::AtLeast(bound) | Self::AtMost(bound) => bound,
        }
    }
}

const MUX: [Program; 3] = [P::MUX_SELECT, P::MUX_POLL, P::MUX_EPOLL];
/// select ends at 1 024 descriptors: not with 1 000 clients and room for
/// those that come and go.
const MUX_LARGE: [Program; 2] = [P::MUX_POLL, P::MUX_EPOLL];
const LOOPS: [Program; 4] = [P::C_EPOLL, P::C_POLL, P::MIO, P::TOKIO_ONE];

/// A stall that a user notices and that the kernel's retries cause: 1 s, less
/// what the clock may be off.
pub const STALL_NS: f64 = 0.9e9;

/// The sizes of messages whose round trips are measured. A buffer has 1 024
/// bytes in every server, so that one byte more makes a second piece of it.
pub const SIZES: [usize; 5] = [64, 1024, 1025, 10_000, 65_536];

/// Half of the 40 ms that Linux waits, at least, before it acknowledges what
/// it has received without an answer of its program. A server whose kernel
/// waits for that acknowledgement before it sends the second piece of a reply
/// (Nagle's algorithm) takes longer than this for each message.
pub const HALF_A_DELAYED_ACK_NS: f64 = 20e6;

/// The whole table.
#[must_use]
pub fn all() -> Vec<Row> {
    let parts = [threads(), process(), mux(), every_server(), memory()];
    [parts.concat(), message_size()].concat()
}

impl Row {
    /// A row about the rate, compared with the best of others.
    fn new(name: &str, subject: &[P], work: Work, against: &[P]) -> Self {
        Self {
            name: name.to_owned(),
            subject: subject.to_vec(),
            work,
            metric: Metric::Rate,
            against: Against::Best(against.to_vec()),
            bound: Bound::AtLeast(1.0),
        }
    }

    fn of(self, metric: Metric) -> Self {
        Self { metric, ..self }
    }

    fn at_least(self, ratio: f64) -> Self {
        let bound = Bound::AtLeast(ratio);
        Self { bound, ..self }
    }

    fn at_most(self, ratio: f64) -> Self {
        let bound = Bound::AtMost(ratio);
        Self { bound, ..self }
    }
}

fn threads() -> Vec<Row> {
    let each = [P::THREADS];
    let exchange = |name, clients, against| {
        Row::new(name, &each, Work::Exchange(clients), &[against])
    };
    let name = "threads-exchange";
    let mut rows = vec![
        exchange(name, 8, P::C_PTHREAD).at_least(1.25),
        exchange(name, 64, P::C_PTHREAD).at_least(1.1),
        exchange("threads-plain", 8, P::C_PTHREAD_PLAIN).at_least(0.9),
        exchange("threads-plain", 64, P::C_PTHREAD_PLAIN).at_least(0.8),
        exchange("threads-python", 8, P::PYTHON_THREADING).at_least(3.0),
        exchange("threads-python", 64, P::PYTHON_THREADING).at_least(3.0),
    ];
    for connections in [64, 1000] {
        let work = Work::Echo(connections);
        rows.push(Row::new("threads-echo", &each, work, &[P::C_PTHREAD]));
    }
    for clients in [8, 64] {
        let (pool, work) = ([P::THREADS_POOL], Work::Exchange(clients));
        rows.push(Row::new("threads-pool", &pool, work, &[P::C_PRETHREAD]));
    }
    rows
}

fn process() -> Vec<Row> {
    let each = [P::PROCESS];
    let exchange = |name, clients, against| {
        Row::new(name, &each, Work::Exchange(clients), &[against])
    };
    let mut rows = Vec::new();
    for (name, against, bound) in [
        ("process-exchange", P::C_FORK, 1.1),
        ("process-python", P::PYTHON_FORKING, 6.0),
        ("process-tools", P::XINETD, 2.0),
        ("process-tools", P::SOCAT, 2.0),
    ] {
        for clients in [8, 64] {
            rows.push(exchange(name, clients, against).at_least(bound));
        }
    }
    for connections in [64, 1000] {
        let work = Work::Echo(connections);
        rows.push(Row::new("process-echo", &each, work, &[P::C_FORK]));
    }
    for clients in [8, 64] {
        let (pool, work) = ([P::PROCESS_POOL], Work::Exchange(clients));
        rows.push(Row::new("process-pool", &pool, work, &[P::C_PREFORK]));
    }
    rows
}

fn mux() -> Vec<Row> {
    let cpu = |name, subject: &[P], work, against: &[P]| {
        let row = Row::new(name, subject, work, against);
        row.of(Metric::CpuNs).at_most(1.0)
    };
    let rate = |against| {
        Row::new("mux-rate", &MUX_LARGE, Work::Echo(1000), &[against])
    };
    let idle = Row {
        against: Against::Itself(Work::BesideIdle(10)),
        ..Row::new("mux-idle", &[P::MUX_EPOLL], Work::BesideIdle(10_000), &[])
    };
    vec![
        cpu("mux-cpu-echo", &MUX, Work::Echo(64), &LOOPS),
        cpu("mux-cpu-echo", &MUX_LARGE, Work::Echo(1000), &LOOPS),
        cpu("mux-cpu-exchange", &MUX, Work::Exchange(8), &[P::C_POLL]),
        cpu("mux-cpu-exchange", &MUX, Work::Exchange(64), &[P::C_POLL]),
        rate(P::LIBUV).at_least(1.5),
        rate(P::TOKIO_ONE).at_least(1.05),
        idle.of(Metric::MedianNs).at_most(1.1),
    ]
}

fn every_server() -> Vec<Row> {
    let pinned =
        [P::THREADS, P::PROCESS, P::MUX_POLL, P::MUX_EPOLL].map(|program| {
            let work = Work::Echo(1);
            Row::new("pinned", &[program], work, &[P::C_PTHREAD]).at_least(0.95)
        });
    let burst = [
        P::THREADS,
        P::THREADS_POOL,
        P::PROCESS,
        P::PROCESS_POOL,
        P::MUX_SELECT,
        P::MUX_POLL,
        P::MUX_EPOLL,
    ]
    .map(|program| Row {
        against: Against::Nothing,
        ..Row::new("burst", &[program], Work::Burst(64), &[])
            .of(Metric::MaxNs)
            .at_most(STALL_NS)
    });
    pinned.into_iter().chain(burst).collect()
}

fn memory() -> Vec<Row> {
    let row = |subject: &[P], against, bound| {
        Row::new("memory", subject, Work::Memory(1000), &[against])
            .of(Metric::UserKib)
            .at_most(bound)
    };
    vec![
        row(&[P::THREADS], P::C_PTHREAD, 0.8),
        row(&[P::PROCESS], P::C_FORK, 0.75),
        row(&MUX_LARGE, P::TOKIO_ONE, 0.1),
    ]
}

fn message_size() -> Vec<Row> {
    let ours =
        [P::THREADS, P::PROCESS, P::MUX_SELECT, P::MUX_POLL, P::MUX_EPOLL];
    let row = |program, size| Row {
        against: Against::Nothing,
        ..Row::new("message-size", &[program], Work::Sized(size), &[])
            .of(Metric::MedianNs)
            .at_most(HALF_A_DELAYED_ACK_NS)
    };
    let of = |program| SIZES.map(|size| row(program, size));
    ours.into_iter().flat_map(of).collect()
}

/// What became of a row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// The row.
    pub row: Row,
    /// The best of the subjects, whose figures these are.
    pub subject: Option<Program>,
    /// The best of the references.
    pub reference: Option<Program>,
    /// The subject's figures.
    pub figures: Option<Summary>,
    /// The reference's figures.
    pub reference_figures: Option<Summary>,
    /// The ratios of neighbours, subject to reference.
    pub ratio: Option<Summary>,
    /// Whether the bound holds.
    pub verdict: Verdict,
    /// What else must be known.
    pub remark: String,
}

impl Finding {
    fn add_remark(&mut self, words: &str) {
        if !self.remark.is_empty() {
            self.remark.push_str("; ");
        }
        self.remark.push_str(words);
    }
}

/// Whether a bound holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It does.
    Pass,
    /// It does not.
    Fail,
    /// Other programs kept the processors so busy that the samples say both.
    TooNoisy,
    /// A program that it needs is missing here, or cannot do it.
    LeftOut,
}

/// Samples of one run, and why some are missing.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'run> {
    /// All samples.
    pub samples: &'run [Sample],
    /// Programs that could not do a work, and why.
    pub missing: &'run BTreeMap<(Program, Work), String>,
}

impl Evidence<'_> {
    /// A figure of a program at a work, by round.
    #[must_use]
    pub fn figures(
        &self,
        program: Program,
        work: Work,
        metric: Metric,
    ) -> BTreeMap<u32, f64> {
        self.samples
            .iter()
            .filter(|it| it.program == program && it.work == work)
            .filter_map(|it| Some((it.round, *it.values.get(&metric)?)))
            .collect()
    }

    /// The program with the best median.
    fn best(
        &self,
        programs: &[Program],
        work: Work,
        metric: Metric,
    ) -> Option<(Program, BTreeMap<u32, f64>)> {
        let mut best: Option<(Program, BTreeMap<u32, f64>, f64)> = None;
        for program in programs {
            let figures = self.figures(*program, work, metric);
            let all: Vec<f64> = figures.values().copied().collect();
            let Some(middle) = median(&all) else {
                continue;
            };
            let better = best.as_ref().is_none_or(|(_, _, so_far)| {
                (middle > *so_far) == metric.more_is_better()
            });
            if better {
                best = Some((*program, figures, middle));
            }
        }
        best.map(|(program, figures, _)| (program, figures))
    }

    fn why_missing(&self, programs: &[Program], work: Work) -> String {
        let reasons: BTreeSet<String> = programs
            .iter()
            .filter_map(|program| {
                let why = self.missing.get(&(*program, work))?;
                Some(format!("{program}: {why}"))
            })
            .collect();
        if reasons.is_empty() {
            return "not measured".to_owned();
        }
        reasons.into_iter().collect::<Vec<_>>().join("; ")
    }

    fn errors(&self, program: Program, work: Work) -> BTreeMap<&str, u64> {
        let mut errors = BTreeMap::new();
        for sample in self.samples {
            if sample.program == program && sample.work == work {
                for (name, count) in &sample.errors {
                    *errors.entry(name.as_str()).or_default() += count;
                }
            }
        }
        errors
    }

    /// What the samples say about a row.
    #[must_use]
    pub fn judge(&self, row: &Row) -> Finding {
        let mut finding = Finding {
            row: row.clone(),
            subject: None,
            reference: None,
            figures: None,
            reference_figures: None,
            ratio: None,
            verdict: Verdict::LeftOut,
            remark: String::new(),
        };
        let Some((subject, figures)) =
            self.best(&row.subject, row.work, row.metric)
        else {
            finding.add_remark(&self.why_missing(&row.subject, row.work));
            return finding;
        };
        finding.subject = Some(subject);
        finding.figures = summary(&figures);
        let (reference, other) = match &row.against {
            Against::Nothing => {
                let all = figures.values();
                let holds = all.clone().all(|it| row.bound.holds(*it));
                finding.verdict = verdict(holds);
                // A figure that keeps its bound on a busy machine keeps it on a
                // quiet one.
                if !holds {
                    self.doubt(&mut finding, &[row.work]);
                }
                self.remark_errors(&mut finding);
                return finding;
            }
            Against::Best(programs) => (programs.clone(), row.work),
            Against::Itself(work) => (vec![subject], *work),
        };
        let Some((reference, references)) =
            self.best(&reference, other, row.metric)
        else {
            finding.add_remark(&self.why_missing(&reference, other));
            return finding;
        };
        finding.reference = Some(reference);
        finding.reference_figures = summary(&references);
        let rounds: Vec<u32> = figures
            .keys()
            .filter(|round| references.contains_key(round))
            .copied()
            .collect();
        let of = |figures: &BTreeMap<u32, f64>| -> Vec<f64> {
            rounds.iter().map(|round| figures[round]).collect()
        };
        let ratios = pairwise_ratios(&of(&figures), &of(&references));
        let Some(ratio) = Summary::of(&ratios) else {
            finding.add_remark("no two samples of one round");
            return finding;
        };
        finding.verdict = verdict(row.bound.holds(ratio.median));
        let bound = row.bound.value();
        if ratio.first_quartile < bound && bound < ratio.third_quartile {
            finding.add_remark("within the spread");
        }
        finding.ratio = Some(ratio);
        let of_all = [ratio.min, ratio.max].map(|it| row.bound.holds(it));
        if of_all[0] != of_all[1] {
            self.doubt(&mut finding, &[row.work, other]);
        }
        if row.metric == Metric::Rate
            && self.is_client_bound(subject, row.work)
            && self.is_client_bound(reference, other)
        {
            finding.add_remark("the client limited both");
        }
        self.remark_errors(&mut finding);
        finding
    }

    /// Withdraws a verdict when other programs used the processors during the
    /// measurement.
    fn doubt(&self, finding: &mut Finding, works: &[Work]) {
        let shares = |of: &dyn Fn(&&Sample) -> bool| -> Vec<f64> {
            let shares = self.samples.iter().filter(of);
            let share =
                |it: &Sample| it.values.get(&Metric::OthersShare).copied();
            shares.filter_map(share).collect()
        };
        let near = shares(&|it| works.contains(&it.work));
        // A burst is too short to have an account of its own.
        let others = median(&near).or_else(|| median(&shares(&|_| true)));
        if let Some(others) = others.filter(|it| *it > NOISY) {
            finding.verdict = Verdict::TooNoisy;
            finding.add_remark(&format!(
                "others used {:.0} % of the processors",
                others * 100.0
            ));
        }
    }

    /// Whether the client limited the rate.
    fn is_client_bound(&self, program: Program, work: Work) -> bool {
        let shares = self.figures(program, work, Metric::ClientShare);
        let shares: Vec<f64> = shares.into_values().collect();
        // One connection in a closed loop waits for the server by turns.
        work.connections() > 1
            && median(&shares).is_some_and(|it| it > BUSY_CLIENT)
    }

    /// A program that loses replies has no rate.
    fn remark_errors(&self, finding: &mut Finding) {
        let row = &finding.row;
        let same_work = matches!(row.against, Against::Best(_));
        let both = [
            (finding.subject, true),
            (finding.reference.filter(|_| same_work), false),
        ];
        let work = row.work;
        for (program, is_ours) in both {
            let Some(program) = program else {
                continue;
            };
            let words: Vec<String> = self
                .errors(program, work)
                .iter()
                .map(|(name, count)| format!("{count} × {name}"))
                .collect();
            if words.is_empty() {
                continue;
            }
            finding.add_remark(&format!("{program}: {}", words.join(", ")));
            if is_ours {
                finding.verdict = Verdict::Fail;
            }
        }
    }
}

fn summary(figures: &BTreeMap<u32, f64>) -> Option<Summary> {
    let all: Vec<f64> = figures.values().copied().collect();
    Summary::of(&all)
}

fn verdict(holds: bool) -> Verdict {
    if holds { Verdict::Pass } else { Verdict::Fail }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORK: Work = Work::Exchange(8);

    fn sample(program: Program, round: u32, rate: f64) -> Sample {
        Sample {
            program,
            work: WORK,
            round,
            at: 0.0,
            values: BTreeMap::from([(Metric::Rate, rate)]),
            errors: BTreeMap::new(),
        }
    }

    fn row(subject: &[Program], against: Against, bound: Bound) -> Row {
        Row {
            name: "test".into(),
            subject: subject.to_vec(),
            work: WORK,
            metric: Metric::Rate,
            against,
            bound,
        }
    }

    fn judge(samples: &[Sample], row: &Row) -> Finding {
        let missing =
            BTreeMap::from([((P::XINETD, WORK), "not installed".to_owned())]);
        let evidence = Evidence { samples, missing: &missing };
        evidence.judge(row)
    }

    #[test]
    fn the_best_is_compared_with_the_best_pair_by_pair() {
        let samples = [
            sample(P::MUX_POLL, 0, 100.0),
            sample(P::MUX_EPOLL, 0, 130.0),
            sample(P::C_POLL, 0, 100.0),
            sample(P::MIO, 0, 90.0),
            // The machine is half as fast in this round.
            sample(P::MUX_POLL, 1, 50.0),
            sample(P::MUX_EPOLL, 1, 65.0),
            sample(P::C_POLL, 1, 50.0),
            sample(P::MIO, 1, 45.0),
        ];
        let against = Against::Best(vec![P::MIO, P::C_POLL]);
        let subject = [P::MUX_POLL, P::MUX_EPOLL];
        let row = row(&subject, against, Bound::AtLeast(1.3));
        let finding = judge(&samples, &row);
        assert_eq!(finding.verdict, Verdict::Pass);
        assert_eq!(finding.subject, Some(P::MUX_EPOLL));
        assert_eq!(finding.reference, Some(P::C_POLL));
        let ratio = finding.ratio.unwrap();
        assert!((ratio.min - 1.3).abs() < 1e-9);
        assert!((ratio.max - 1.3).abs() < 1e-9);
    }

    #[test]
    fn a_bound_within_the_spread_is_said() {
        let samples: Vec<Sample> = [0.9, 0.95, 1.01, 1.05, 1.1]
            .into_iter()
            .zip(0..)
            .flat_map(|(ratio, round)| {
                [
                    sample(P::THREADS, round, ratio),
                    sample(P::C_PTHREAD, round, 1.0),
                ]
            })
            .collect();
        let against = Against::Best(vec![P::C_PTHREAD]);
        let row = row(&[P::THREADS], against, Bound::AtLeast(1.0));
        let finding = judge(&samples, &row);
        assert_eq!(finding.verdict, Verdict::Pass);
        assert_eq!(finding.remark, "within the spread");
    }

    #[test]
    fn what_is_missing_is_left_out_with_its_reason() {
        let samples = [sample(P::PROCESS, 0, 1.0)];
        let against = Against::Best(vec![P::XINETD]);
        let row = row(&[P::PROCESS], against, Bound::AtLeast(2.0));
        let finding = judge(&samples, &row);
        assert_eq!(finding.verdict, Verdict::LeftOut);
        assert!(finding.remark.contains("not installed"), "{finding:?}");
    }

    #[test]
    fn lost_replies_fail_whatever_the_rate() {
        let mut bad = sample(P::THREADS, 0, 100.0);
        bad.errors.insert("connection reset".into(), 3);
        let samples = [bad, sample(P::C_PTHREAD, 0, 1.0)];
        let against = Against::Best(vec![P::C_PTHREAD]);
        let row = row(&[P::THREADS], against, Bound::AtLeast(1.0));
        let finding = judge(&samples, &row);
        assert_eq!(finding.verdict, Verdict::Fail);
        assert!(finding.remark.contains("3 × connection reset"));
    }

    #[test]
    fn an_absolute_bound_holds_for_every_sample() {
        let samples = [sample(P::THREADS, 0, 1.0), sample(P::THREADS, 1, 3.0)];
        let judged = |bound| {
            let bound = Bound::AtMost(bound);
            judge(&samples, &row(&[P::THREADS], Against::Nothing, bound))
        };
        assert_eq!(judged(3.0).verdict, Verdict::Pass);
        assert_eq!(judged(2.9).verdict, Verdict::Fail);
    }

    #[test]
    fn a_busy_machine_is_too_noisy_to_tell() {
        let rates = |ratios: [f64; 3], others: f64| {
            let both = |(ratio, round)| {
                [
                    sample(P::THREADS, round, ratio),
                    sample(P::C_PTHREAD, round, 1.0),
                ]
            };
            let mut samples: Vec<Sample> =
                ratios.into_iter().zip(0..).flat_map(both).collect();
            for sample in &mut samples {
                sample.values.insert(Metric::OthersShare, others);
            }
            let against = Against::Best(vec![P::C_PTHREAD]);
            let row = row(&[P::THREADS], against, Bound::AtLeast(1.0));
            judge(&samples, &row)
        };
        // The samples say both, and something else was running.
        let finding = rates([0.8, 1.1, 1.2], 0.3);
        assert_eq!(finding.verdict, Verdict::TooNoisy);
        assert!(finding.remark.contains("30 %"), "{}", finding.remark);
        let finding = rates([0.8, 0.9, 1.2], 0.3);
        assert_eq!(finding.verdict, Verdict::TooNoisy);
        // On a quiet machine the median decides; and where every sample says
        // the same, a busy one does not matter.
        assert_eq!(rates([0.8, 1.1, 1.2], 0.01).verdict, Verdict::Pass);
        assert_eq!(rates([1.1, 1.1, 1.2], 0.3).verdict, Verdict::Pass);
        assert_eq!(rates([0.7, 0.8, 0.9], 0.3).verdict, Verdict::Fail);
    }

    #[test]
    fn the_table_is_whole() {
        let rows = all();
        let names: BTreeSet<&str> =
            rows.iter().map(|row| row.name.as_str()).collect();
        assert_eq!(names.len(), 18, "{names:?}");
        // Each server of ours has a row; each row is about one of ours.
        for row in &rows {
            assert!(row.subject.iter().all(|program| program.is_ours()));
        }
    }
}
