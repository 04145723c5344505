//! What the servers have to reach, as a table: each row a program, a work, a
//! figure, what it is compared with, and a bound.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use strum::Display;

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
    pub fn value(self) -> f64 {
        match self {
            Self::AtLeast(bound) | Self::AtMost(bound) => bound,
        }
    }
}

const MUX: [Program; 3] = [P::MuxSelect, P::MuxPoll, P::MuxEpoll];
/// select ends at 1 024 descriptors: not with 1 000 clients and room for
/// those that come and go.
const MUX_LARGE: [Program; 2] = [P::MuxPoll, P::MuxEpoll];
const LOOPS: [Program; 4] = [P::CEpoll, P::CPoll, P::Mio, P::TokioOne];

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
pub fn all() -> Vec<Row> {
    use Work::{BesideIdle, Burst, Echo, Exchange, Memory};

    let mut rows = Vec::new();
    let mut add = |name: &str, subject: &[P], work, metric, against, bound| {
        let (name, subject) = (name.to_owned(), subject.to_vec());
        rows.push(Row { name, subject, work, metric, against, bound });
    };
    let best = |programs: &[P]| Against::Best(programs.to_vec());
    let most = Bound::AtMost;
    let once = [Exchange(8), Exchange(64)];
    let staying = [Echo(64), Echo(1000)];
    // How many times the rate of a peer is the least at each of two works.
    #[rustfmt::skip]
    let rates = [
        ("threads-exchange", P::Threads, P::CPthread, once, [1.25, 1.1]),
        ("threads-plain", P::Threads, P::CPthreadPlain, once, [0.9, 0.8]),
        ("threads-python", P::Threads, P::PythonThreading, once, [3.0, 3.0]),
        ("threads-echo", P::Threads, P::CPthread, staying, [1.0, 1.0]),
        ("threads-pool", P::ThreadsPool, P::CPrethread, once, [1.0, 1.0]),
        ("process-exchange", P::Process, P::CFork, once, [1.1, 1.1]),
        ("process-python", P::Process, P::PythonForking, once, [6.0, 6.0]),
        ("process-tools", P::Process, P::Xinetd, once, [2.0, 2.0]),
        ("process-tools", P::Process, P::Socat, once, [2.0, 2.0]),
        ("process-echo", P::Process, P::CFork, staying, [1.0, 1.0]),
        ("process-pool", P::ProcessPool, P::CPrefork, once, [1.0, 1.0]),
    ];
    for (name, subject, peer, works, ratios) in rates {
        for (work, ratio) in works.into_iter().zip(ratios) {
            let bound = Bound::AtLeast(ratio);
            add(name, &[subject], work, Metric::Rate, best(&[peer]), bound);
        }
    }
    for (name, subject, work, peers) in [
        ("mux-cpu-echo", &MUX[..], Echo(64), &LOOPS[..]),
        ("mux-cpu-echo", &MUX_LARGE, Echo(1000), &LOOPS),
        ("mux-cpu-exchange", &MUX, Exchange(8), &[P::CPoll]),
        ("mux-cpu-exchange", &MUX, Exchange(64), &[P::CPoll]),
    ] {
        add(name, subject, work, Metric::CpuNs, best(peers), most(1.0));
    }
    for (peer, ratio) in [(P::Libuv, 1.5), (P::TokioOne, 1.05)] {
        let (peer, bound) = (best(&[peer]), Bound::AtLeast(ratio));
        add("mux-rate", &MUX_LARGE, Echo(1000), Metric::Rate, peer, bound);
    }
    let (few, many) = (Against::Itself(BesideIdle(10)), BesideIdle(10_000));
    let epoll = [P::MuxEpoll];
    add("mux-idle", &epoll, many, Metric::MedianNs, few, most(1.1));
    for program in [P::Threads, P::Process, P::MuxPoll, P::MuxEpoll] {
        let (peer, bound) = (best(&[P::CPthread]), Bound::AtLeast(0.95));
        add("pinned", &[program], Echo(1), Metric::Rate, peer, bound);
    }
    for program in P::all().filter(|it| it.is_ours()) {
        let (metric, bound) = (Metric::MaxNs, most(STALL_NS));
        add("burst", &[program], Burst(64), metric, Against::Nothing, bound);
    }
    for (subject, peer, ratio) in [
        (&[P::Threads][..], P::CPthread, 0.8),
        (&[P::Process], P::CFork, 0.75),
        (&MUX_LARGE, P::TokioOne, 0.1),
    ] {
        let (peer, metric) = (best(&[peer]), Metric::UserKib);
        add("memory", subject, Memory(1000), metric, peer, most(ratio));
    }
    let each = [P::Threads, P::Process].into_iter().chain(MUX);
    for (program, size) in each.flat_map(|it| SIZES.map(|size| (it, size))) {
        let (work, metric) = (Work::Sized(size), Metric::MedianNs);
        let bound = most(HALF_A_DELAYED_ACK_NS);
        let against = Against::Nothing;
        add("message-size", &[program], work, metric, against, bound);
    }
    rows
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
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Display, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It does.
    #[strum(to_string = "pass")]
    Pass,
    /// It does not.
    #[strum(to_string = "FAIL")]
    Fail,
    /// Other programs kept the processors so busy that the samples say both.
    #[strum(to_string = "too noisy to tell")]
    TooNoisy,
    /// A program that it needs is missing here, or cannot do it.
    #[strum(to_string = "left out")]
    LeftOut,
}

/// A program that could not do a work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Missing {
    /// The program.
    pub program: Program,
    /// The work.
    pub work: Work,
    /// The reason.
    pub why: String,
}

/// Samples of one run, and why some are missing.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'run> {
    /// All samples.
    pub samples: &'run [Sample],
    /// Programs that could not do a work, and why.
    pub missing: &'run [Missing],
}

impl Evidence<'_> {
    /// A figure of a program at a work, by round.
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

    /// The program with the best median; if there is none, why.
    fn best(
        &self,
        programs: &[Program],
        work: Work,
        metric: Metric,
    ) -> Result<(Program, BTreeMap<u32, f64>), String> {
        let measured = programs.iter().filter_map(|program| {
            let figures = self.figures(*program, work, metric);
            let middle = summary(&figures)?.median;
            Some((*program, figures, middle))
        });
        let best = measured.reduce(|best, other| {
            let better = (other.2 > best.2) == metric.more_is_better();
            if better { other } else { best }
        });
        if let Some((program, figures, _)) = best {
            return Ok((program, figures));
        }
        let missing = self.missing.iter().filter(|it| it.work == work);
        let reasons: BTreeSet<_> = missing
            .filter(|it| programs.contains(&it.program))
            .map(|it| format!("{}: {}", it.program, it.why))
            .collect();
        if reasons.is_empty() {
            return Err("not measured".to_owned());
        }
        Err(Vec::from_iter(reasons).join("; "))
    }

    /// What the samples say about a row.
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
        match self.fill_in(row, &mut finding) {
            Ok(()) => self.remark_errors(&mut finding),
            Err(why) => finding.add_remark(&why),
        }
        finding
    }

    /// Fills a finding in, as far as there are samples; if there are too few,
    /// why.
    fn fill_in(&self, row: &Row, finding: &mut Finding) -> Result<(), String> {
        let (subject, figures) =
            self.best(&row.subject, row.work, row.metric)?;
        finding.subject = Some(subject);
        finding.figures = summary(&figures);
        let (reference, other) = match &row.against {
            Against::Nothing => {
                let holds = figures.values().all(|it| row.bound.holds(*it));
                finding.verdict = verdict(holds);
                // A figure that keeps its bound on a busy machine keeps it on a
                // quiet one.
                if !holds {
                    self.doubt(finding, &[row.work]);
                }
                return Ok(());
            }
            Against::Best(programs) => (programs.clone(), row.work),
            Against::Itself(work) => (vec![subject], *work),
        };
        let (reference, references) =
            self.best(&reference, other, row.metric)?;
        finding.reference = Some(reference);
        finding.reference_figures = summary(&references);
        let pairs = figures.iter().filter_map(|(round, figure)| {
            Some((*figure, *references.get(round)?))
        });
        let (figures, references): (Vec<f64>, Vec<f64>) = pairs.unzip();
        let ratio = Summary::of(&pairwise_ratios(&figures, &references))
            .ok_or("no two samples of one round")?;
        finding.ratio = Some(ratio);
        finding.verdict = verdict(row.bound.holds(ratio.median));
        let bound = row.bound.value();
        if ratio.first_quartile < bound && bound < ratio.third_quartile {
            finding.add_remark("within the spread");
        }
        if row.bound.holds(ratio.min) != row.bound.holds(ratio.max) {
            self.doubt(finding, &[row.work, other]);
        }
        if row.metric == Metric::Rate
            && self.is_client_bound(subject, row.work)
            && self.is_client_bound(reference, other)
        {
            finding.add_remark("the client limited both");
        }
        Ok(())
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
        // One connection in a closed loop waits for the server by turns.
        work.connections() > 1
            && summary(&shares).is_some_and(|it| it.median > BUSY_CLIENT)
    }

    /// A program that loses replies has no rate.
    fn remark_errors(&self, finding: &mut Finding) {
        let work = finding.row.work;
        let same_work = matches!(finding.row.against, Against::Best(_));
        let reference = finding.reference.filter(|_| same_work);
        for program in [finding.subject, reference].into_iter().flatten() {
            let mut errors: BTreeMap<&str, u64> = BTreeMap::new();
            let samples = self.samples.iter().filter(|it| it.work == work);
            let own = samples.filter(|it| it.program == program);
            for (name, count) in own.flat_map(|sample| &sample.errors) {
                *errors.entry(name).or_default() += count;
            }
            if errors.is_empty() {
                continue;
            }
            let said = |(name, count)| format!("{count} × {name}");
            let words: Vec<String> = errors.into_iter().map(said).collect();
            finding.add_remark(&format!("{program}: {}", words.join(", ")));
            if finding.subject == Some(program) {
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

    fn judge(
        samples: &[Sample],
        subject: &[Program],
        against: Against,
        bound: Bound,
    ) -> Finding {
        let why = "not installed".to_owned();
        let missing = [Missing { program: P::Xinetd, work: WORK, why }];
        let evidence = Evidence { samples, missing: &missing };
        evidence.judge(&Row {
            name: "test".into(),
            subject: subject.to_vec(),
            work: WORK,
            metric: Metric::Rate,
            against,
            bound,
        })
    }

    /// Threads, whose rates in each round are these times those of the peer,
    /// while others use a share of the processors.
    fn judge_ratios(ratios: &[f64], others: f64) -> Finding {
        let both = |(ratio, round): (&f64, u32)| {
            [(P::Threads, *ratio), (P::CPthread, 1.0)].map(|(program, rate)| {
                let mut sample = sample(program, round, rate);
                sample.values.insert(Metric::OthersShare, others);
                sample
            })
        };
        let samples: Vec<Sample> =
            ratios.iter().zip(0..).flat_map(both).collect();
        let against = Against::Best(vec![P::CPthread]);
        judge(&samples, &[P::Threads], against, Bound::AtLeast(1.0))
    }

    #[test]
    fn the_best_is_compared_with_the_best_pair_by_pair() {
        // The machine is half as fast in the second round.
        let samples: Vec<Sample> = [(0, 1.0), (1, 0.5)]
            .into_iter()
            .flat_map(|(round, speed)| {
                [
                    (P::MuxPoll, 100.0),
                    (P::MuxEpoll, 130.0),
                    (P::CPoll, 100.0),
                    (P::Mio, 90.0),
                ]
                .map(|(program, rate)| sample(program, round, rate * speed))
            })
            .collect();
        let against = Against::Best(vec![P::Mio, P::CPoll]);
        let subject = [P::MuxPoll, P::MuxEpoll];
        let finding = judge(&samples, &subject, against, Bound::AtLeast(1.3));
        assert_eq!(finding.verdict, Verdict::Pass);
        assert_eq!(finding.subject, Some(P::MuxEpoll));
        assert_eq!(finding.reference, Some(P::CPoll));
        let ratio = finding.ratio.unwrap();
        assert!((ratio.min - 1.3).abs() < 1e-9);
        assert!((ratio.max - 1.3).abs() < 1e-9);
    }

    #[test]
    fn a_bound_within_the_spread_is_said() {
        let finding = judge_ratios(&[0.9, 0.95, 1.01, 1.05, 1.1], 0.0);
        assert_eq!(finding.verdict, Verdict::Pass);
        assert_eq!(finding.remark, "within the spread");
    }

    #[test]
    fn what_is_missing_is_left_out_with_its_reason() {
        let samples = [sample(P::Process, 0, 1.0)];
        let against = Against::Best(vec![P::Xinetd]);
        let bound = Bound::AtLeast(2.0);
        let finding = judge(&samples, &[P::Process], against, bound);
        assert_eq!(finding.verdict, Verdict::LeftOut);
        assert!(finding.remark.contains("not installed"), "{finding:?}");
    }

    #[test]
    fn lost_replies_fail_whatever_the_rate() {
        let mut bad = sample(P::Threads, 0, 100.0);
        bad.errors.insert("connection reset".into(), 3);
        let samples = [bad, sample(P::CPthread, 0, 1.0)];
        let against = Against::Best(vec![P::CPthread]);
        let bound = Bound::AtLeast(1.0);
        let finding = judge(&samples, &[P::Threads], against, bound);
        assert_eq!(finding.verdict, Verdict::Fail);
        assert!(finding.remark.contains("3 × connection reset"));
    }

    #[test]
    fn an_absolute_bound_holds_for_every_sample() {
        let samples = [sample(P::Threads, 0, 1.0), sample(P::Threads, 1, 3.0)];
        for (bound, verdict) in [(3.0, Verdict::Pass), (2.9, Verdict::Fail)] {
            let bound = Bound::AtMost(bound);
            let judged =
                judge(&samples, &[P::Threads], Against::Nothing, bound);
            assert_eq!(judged.verdict, verdict);
        }
    }

    #[test]
    fn a_busy_machine_is_too_noisy_to_tell() {
        for (ratios, others, verdict) in [
            // The samples say both, and something else was running.
            ([0.8, 1.1, 1.2], 0.3, Verdict::TooNoisy),
            ([0.8, 0.9, 1.2], 0.3, Verdict::TooNoisy),
            // On a quiet machine the median decides; and where every sample
            // says the same, a busy one does not matter.
            ([0.8, 1.1, 1.2], 0.01, Verdict::Pass),
            ([1.1, 1.1, 1.2], 0.3, Verdict::Pass),
            ([0.7, 0.8, 0.9], 0.3, Verdict::Fail),
        ] {
            let finding = judge_ratios(&ratios, others);
            assert_eq!(finding.verdict, verdict, "{ratios:?}");
            let said = finding.remark.contains("30 %");
            assert_eq!(said, verdict == Verdict::TooNoisy, "{finding:?}");
        }
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
