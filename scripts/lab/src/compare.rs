//! The comparison: which programs do which work, in rounds that alternate
//! between them, and what comes of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use anyhow::Result;
use serde::{Deserialize, Serialize};
use strum::VariantArray as _;

use crate::catalogue::{self, Catalogue, Linkage, Program};
use crate::header::Header;
use crate::load::Live;
use crate::measure::{Effort, Floor, Metric, Observer, Prepared, Sample, Work};
use crate::rows::{self, Against, Evidence, Finding, Missing, Row};
use crate::stats::Summary;
use Program as P;

/// What is to be measured.
#[derive(Clone, Debug)]
pub struct Agenda {
    /// What is to be judged.
    pub rows: Vec<Row>,
    /// Programs and works whose samples alternate, group by group.
    pub groups: Vec<Vec<(Program, Work)>>,
    /// How long.
    pub effort: Effort,
}

impl Agenda {
    /// Everything that these rows need, and with `wide` also the programs
    /// and works that no row needs but a reader wants to see beside them.
    pub fn new(rows: Vec<Row>, effort: Effort, wide: bool) -> Self {
        let mut cells = BTreeSet::new();
        for row in &rows {
            let mut add = |programs: &[Program], work| {
                cells.extend(programs.iter().map(|program| (*program, work)));
            };
            add(&row.subject, row.work);
            match &row.against {
                Against::Best(programs) => add(programs, row.work),
                Against::Itself(work) => add(&row.subject, *work),
                Against::Nothing => {}
            }
        }
        if wide {
            cells.extend(beside(&effort));
        }
        // A round trip by the size of its message says something beside what
        // others need for the same; a quick run has no time for them.
        let sized = rows.iter().any(|row| matches!(row.work, Work::Sized(_)));
        if sized && effort != Effort::QUICK {
            for program in P::all() {
                cells.extend(rows::SIZES.map(|it| (program, Work::Sized(it))));
            }
        }
        // One active beside few and beside many idle ones are compared with
        // one another, so they alternate too.
        let key = |work: Work| match work {
            Work::BesideIdle(_) => Work::BesideIdle(0),
            other => other,
        };
        let mut groups: BTreeMap<Work, Vec<_>> = BTreeMap::new();
        for (program, work) in cells {
            groups.entry(key(work)).or_default().push((program, work));
        }
        Self { rows, groups: groups.into_values().collect(), effort }
    }

    /// Seconds that all of it takes, about.
    pub fn estimate(&self) -> f64 {
        let samples: f64 = self
            .groups
            .iter()
            .flatten()
            .map(|(_, work)| {
                self.effort.estimate(*work)
                    * f64::from(rounds(&self.effort, *work))
                    + preparation(*work)
            })
            .sum();
        samples + f64::from(self.effort.rounds) * FLOORS_SECONDS
    }
}

/// Seconds of one round of all floors, about.
const FLOORS_SECONDS: f64 = 1.2;

/// Seconds to start a program for a work, about.
fn preparation(work: Work) -> f64 {
    match work {
        Work::BesideIdle(count) => 0.1 + count as f64 * 0.1e-3,
        _ => 0.1,
    }
}

/// A figure that hardly varies, and takes long, needs fewer rounds.
fn rounds(effort: &Effort, work: Work) -> u32 {
    match work {
        Work::Memory(_) | Work::Stream(_) | Work::Sized(_) => {
            effort.rounds.min(3)
        }
        _ => effort.rounds,
    }
}

/// Programs and works that no row needs, but that show where the servers stand.
fn beside(effort: &Effort) -> Vec<(Program, Work)> {
    let mut cells = Vec::new();
    for program in P::all() {
        let works = [Work::Exchange(8), Work::Exchange(64), Work::Echo(64)];
        cells.extend(works.map(|work| (program, work)));
        // A pool of 64 cannot serve 1 000 at a time, select cannot hold
        // them, and a thousand interpreters say nothing more.
        let large = !matches!(
            program,
            P::ThreadsPool
                | P::ProcessPool
                | P::CPrethread
                | P::CPrefork
                | P::MuxSelect
                | P::CSelect
                | P::PythonForking
                | P::CPthreadPlain
                | P::Ncat
        );
        if large {
            cells.push((program, Work::Echo(1000)));
        }
    }
    let models = [
        P::Threads,
        P::Process,
        P::MuxSelect,
        P::MuxPoll,
        P::MuxEpoll,
        P::CPthread,
        P::CFork,
        P::CSelect,
        P::CPoll,
        P::CEpoll,
        P::Mio,
        P::TokioOne,
    ];
    for program in models {
        let works = [
            Work::Exchange(1),
            Work::Echo(1),
            Work::Stream(effort.stream_mib),
            Work::BesideIdle(10),
            Work::BesideIdle(100),
        ];
        cells.extend(works.map(|work| (program, work)));
        if !matches!(program, P::MuxSelect | P::CSelect) {
            cells.push((program, Work::Memory(1000)));
        }
    }
    for program in [P::TokioMany, P::Libuv, P::Node, P::Go] {
        let works = [Work::Memory(1000), Work::Echo(1)];
        cells.extend(works.map(|work| (program, work)));
    }
    cells.push((P::PythonThreading, Work::Memory(1000)));
    cells
}

/// All that a comparison found: what the JSON file holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// When, how long and where.
    #[serde(flatten)]
    pub header: Header,
    /// With what.
    pub versions: BTreeMap<String, String>,
    /// How process-server and the C programs that fork are linked.
    pub linkage: Linkage,
    /// How long each sample took.
    pub effort: Effort,
    /// What was taken care of, in words.
    pub conditions: Vec<String>,
    /// Programs by name: what each is.
    pub programs: BTreeMap<Program, String>,
    /// Programs that could not do a work, and why.
    pub missing: Vec<Missing>,
    /// What the kernel itself takes, nanoseconds, each sample.
    pub floors: BTreeMap<Floor, Vec<f64>>,
    /// Every sample.
    pub samples: Vec<Sample>,
    /// What was judged.
    pub findings: Vec<Finding>,
}

impl Report {
    /// The form that this version writes.
    pub const FORM: u32 = 1;

    /// A figure of a program at a work.
    pub fn figures(
        &self,
        program: Program,
        work: Work,
        metric: Metric,
    ) -> Option<Summary> {
        let evidence = Evidence { samples: &self.samples, missing: &[] };
        let figures = evidence.figures(program, work, metric);
        let all: Vec<f64> = figures.into_values().collect();
        Summary::of(&all)
    }
}

/// Measures what is on the agenda. When `live` is asked to stop, the report
/// holds what there is by then.
///
/// # Errors
///
/// When something breaks that is not the fault of a program; a program that
/// cannot take part is no error.
pub fn run(
    catalogue: &Catalogue,
    agenda: &Agenda,
    live: &Live,
    observer: &mut dyn Observer,
) -> Result<Report> {
    let mut run = Run {
        catalogue,
        agenda,
        live,
        observer,
        began: Instant::now(),
        missing: Vec::new(),
        samples: Vec::new(),
        floors: BTreeMap::new(),
    };
    let header = Header::new(Report::FORM);
    run.measure_floors();
    for group in &agenda.groups {
        run.measure_group(group, header.machine.descriptors);
    }
    run.missing.sort_by_key(|it| (it.program, it.work));
    let evidence = Evidence { samples: &run.samples, missing: &run.missing };
    let findings = agenda.rows.iter().map(|row| evidence.judge(row)).collect();
    let used: BTreeSet<Program> =
        run.samples.iter().map(|sample| sample.program).collect();
    Ok(Report {
        header: header.ended(run.began, !live.stops()),
        versions: catalogue::versions(&used),
        linkage: Linkage::OURS,
        effort: agenda.effort,
        conditions: conditions(),
        programs: used
            .iter()
            .map(|program| (*program, program.title().to_owned()))
            .collect(),
        missing: run.missing,
        floors: run.floors,
        samples: run.samples,
        findings,
    })
}

struct Run<'run> {
    catalogue: &'run Catalogue,
    agenda: &'run Agenda,
    live: &'run Live,
    observer: &'run mut dyn Observer,
    began: Instant,
    missing: Vec<Missing>,
    samples: Vec<Sample>,
    floors: BTreeMap<Floor, Vec<f64>>,
}

impl Run<'_> {
    fn measure_floors(&mut self) {
        for _ in 0..self.agenda.effort.rounds {
            for floor in Floor::VARIANTS.iter().copied() {
                if self.live.stops() {
                    return;
                }
                let what = format!("floor: {floor}");
                let seconds = FLOORS_SECONDS / Floor::VARIANTS.len() as f64;
                self.observer.begins(&what, seconds);
                match floor.measure(self.catalogue, 0) {
                    Ok(figure) => {
                        self.floors.entry(floor).or_default().push(figure);
                    }
                    Err(error) => {
                        self.observer.says(&format!("{what}: {error:#}"));
                        return;
                    }
                }
            }
        }
    }

    /// Takes the samples of programs that are compared with one another: one
    /// of each, again and again, so that whatever the machine does meanwhile
    /// hits all of them.
    fn measure_group(&mut self, group: &[(Program, Work)], limit: u64) {
        let mut ready = Vec::new();
        for &(program, work) in group {
            if self.live.stops() {
                return;
            }
            let what = format!("{work}: starting {program}");
            self.observer.begins(&what, preparation(work));
            let needed = work.descriptors();
            let prepared = if needed > limit {
                Err(format!(
                    "needs {needed} descriptors, this process may have \
                     {limit}; raise the limit with `ulimit -n`"
                ))
            } else {
                let prepared = Prepared::new(self.catalogue, program, work);
                prepared.map_err(|why| why.to_string())
            };
            match prepared {
                Ok(prepared) => ready.push(prepared),
                Err(why) => {
                    let left = rounds(&self.agenda.effort, work);
                    self.leave_out(program, work, why, left);
                }
            }
        }
        let most = group
            .iter()
            .map(|(_, work)| rounds(&self.agenda.effort, *work))
            .max();
        for round in 0..most.unwrap_or(0) {
            // A B C, C B A, A B C: neighbours stay neighbours, and no program
            // always comes first.
            ready.reverse();
            let mut broken = Vec::new();
            for prepared in &ready {
                if self.live.stops() {
                    return;
                }
                if !self.sample(prepared, round) {
                    broken.push((prepared.program, prepared.work));
                }
            }
            ready.retain(|it| !broken.contains(&(it.program, it.work)));
        }
    }

    /// One sample. False when there will be no others.
    fn sample(&mut self, prepared: &Prepared, round: u32) -> bool {
        let (program, work) = (prepared.program, prepared.work);
        let effort = &self.agenda.effort;
        let all = rounds(effort, work);
        let what = format!("{work}, round {} of {all}: {program}", round + 1);
        self.observer.begins(&what, effort.estimate(work));
        let at = self.began.elapsed().as_secs_f64();
        match prepared.sample(self.catalogue, effort, self.live) {
            Ok(sample) => {
                self.samples.push(Sample { round, at, ..sample });
                true
            }
            Err(_) if self.live.stops() => false,
            Err(error) => {
                let left = all - round - 1;
                self.leave_out(program, work, format!("{error:#}"), left);
                false
            }
        }
    }

    /// A program that cannot do a work, with so many rounds of it left.
    fn leave_out(
        &mut self,
        program: Program,
        work: Work,
        why: String,
        rounds: u32,
    ) {
        // Samples that will not be taken count as done, so that the time left
        // is right.
        let seconds = self.agenda.effort.estimate(work) * f64::from(rounds);
        self.observer.skips(seconds);
        let known = |it: &Missing| it.program == program && it.why == why;
        if !self.missing.iter().any(known) {
            self.observer.says(&format!("left out: {program}: {why}"));
        }
        self.missing.push(Missing { program, work, why });
    }
}

fn conditions() -> Vec<String> {
    [
        "Server and client run on this machine and share its processors.",
        "With one active connection both are pinned to one processor; with \
         more, neither is.",
        "Messages have 64 bytes, unless their size is named, and differ; \
         every reply is compared with what was sent. Buffers have 1024 bytes \
         in every server.",
        "Samples of one round are neighbours in time; ratios are those of \
         neighbours, and their median counts.",
        "After one exchange the server closes first and so keeps the port; \
         where it cannot (socat, ncat, xinetd) the client does, from several \
         source addresses.",
        "Every server's queue for new connections has room for 1024.",
        "The longest latency of an exchange counts from before the \
         connection, so that a handshake tried again after a second is seen.",
        "Our servers print their first and last line only (--quiet).",
        "A server's processor time covers all of its processes, those that \
         have ended included; where the kernel drops the time of children, \
         none is given.",
    ]
    .map(str::to_owned)
    .to_vec()
}

/// The rows whose names begin with one of these words; all without any.
///
/// # Errors
///
/// When a word fits no row.
pub fn select(words: &[String]) -> Result<Vec<Row>> {
    let all = rows::all();
    for word in words {
        let known: BTreeSet<&str> =
            all.iter().map(|row| row.name.as_str()).collect();
        let known = Vec::from_iter(known);
        anyhow::ensure!(
            known.iter().any(|name| name.starts_with(word.as_str())),
            "no row is called {word}; there are {}",
            known.join(", ")
        );
    }
    let selected = |row: &Row| {
        words.is_empty()
            || words.iter().any(|word| row.name.starts_with(word.as_str()))
    };
    Ok(all.into_iter().filter(selected).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_selected_by_the_beginning_of_their_name() {
        let all = select(&[]).unwrap();
        let mux = select(&["mux".to_owned()]).unwrap();
        assert!(!mux.is_empty() && mux.len() < all.len());
        assert!(mux.iter().all(|row| row.name.starts_with("mux")));
        let error = select(&["nonsense".to_owned()]).unwrap_err();
        assert!(error.to_string().contains("threads-exchange"));
    }

    #[test]
    fn an_agenda_has_all_that_its_rows_compare() {
        let rows = select(&["mux-idle".to_owned()]).unwrap();
        let agenda = Agenda::new(rows, Effort::QUICK, false);
        // The samples of both works alternate within one group.
        assert_eq!(
            agenda.groups,
            [vec![
                (P::MuxEpoll, Work::BesideIdle(10)),
                (P::MuxEpoll, Work::BesideIdle(10_000)),
            ]]
        );
        let narrow = Agenda::new(rows::all(), Effort::QUICK, false);
        let wide = Agenda::new(rows::all(), Effort::QUICK, true);
        assert!(wide.estimate() > narrow.estimate());
    }
}
