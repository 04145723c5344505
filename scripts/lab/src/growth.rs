//! What grows with what: curves, drawn from measurements of this machine.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::catalogue::{Catalogue, Program, Serve};
use crate::header::Header;
use crate::language::Language;
use crate::load::idle::Idle;
use crate::load::{self, Live, Shape};
use crate::machine::Pinned;
use crate::measure::{self, Account, Floor, Observer};
use crate::plot::{self, Chart, Curve};
use crate::procfs;
use crate::text;
use crate::words::Words;
use Program as P;

/// How far and how long.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Effort {
    /// How often each curve is measured.
    pub rounds: u32,
    /// The counted part of a sample, seconds.
    pub seconds: f64,
    /// Most idle connections of a loop.
    pub connections: usize,
    /// Most idle connections of a thread or process each.
    pub workers: usize,
    /// The largest parent, MiB.
    pub parent_mib: u64,
}

impl Effort {
    /// For the book.
    pub const FULL: Self = Self {
        rounds: 5,
        seconds: 0.2,
        connections: 10_000,
        workers: 3000,
        parent_mib: 1000,
    };
    /// For a quick look at the shape of the curves.
    pub const QUICK: Self = Self {
        rounds: 2,
        seconds: 0.06,
        connections: 10_000,
        workers: 1000,
        parent_mib: 300,
    };

    /// The numbers of idle connections that a program is measured beside.
    pub fn steps(&self, program: Program) -> Vec<usize> {
        let most = match program {
            // select(2) takes descriptors up to 1 023 only, and the server
            // needs some of them itself.
            P::MuxSelect => 1000,
            P::MuxPoll | P::MuxEpoll => self.connections,
            _ => self.workers,
        };
        [1, 3, 10, 30, 100, 300, 1000, 3000, 10_000, 30_000]
            .into_iter()
            .filter(|step| *step <= most)
            .collect()
    }

    /// The sizes of parents, MiB.
    pub fn sizes(&self) -> Vec<u64> {
        [1, 3, 10, 30, 100, 300, 1000]
            .into_iter()
            .filter(|size| *size <= self.parent_mib)
            .collect()
    }

    /// Seconds that all of it takes, about.
    pub fn estimate(&self) -> f64 {
        let points: usize = CURVE_PROGRAMS
            .iter()
            .map(|program| self.steps(*program).len())
            .sum();
        let curves = points as f64 * self.point_estimate();
        let floors: f64 = self.sizes().into_iter().map(floor_estimate).sum();
        f64::from(self.rounds) * (curves + floors)
    }

    fn point_estimate(&self) -> f64 {
        self.seconds * 1.2 + 0.2
    }
}

fn floor_estimate(mib: u64) -> f64 {
    0.5 + mib as f64 / 200.0
}

/// The programs whose curves are drawn.
const CURVE_PROGRAMS: [Program; 5] =
    [P::MuxSelect, P::MuxPoll, P::MuxEpoll, P::Threads, P::Process];

/// The operations that create something, beside a parent of some size, and
/// what the words call them.
const CREATORS: [(Floor, &str); 3] = [
    (Floor::Fork, "fork"),
    (Floor::Thread, "pthread"),
    (Floor::StdThread, "std_thread"),
];

/// One point of one program's curve.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// The program.
    pub program: Program,
    /// Connections that did nothing.
    pub idle: usize,
    /// In which round.
    pub round: u32,
    /// Median of the round trips on the one active connection, nanoseconds.
    pub round_trip_ns: f64,
    /// Processor time of the server for each of them, nanoseconds.
    pub cpu_ns: Option<f64>,
    /// The server's memory with all of them open, KiB: PSS.
    pub pss_kib: u64,
    /// Its page tables, KiB.
    pub page_tables_kib: u64,
}

/// One sample of what a creation costs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Creation {
    /// What was created.
    pub floor: Floor,
    /// Memory that the parent has touched, MiB.
    pub parent_mib: u64,
    /// In which round.
    pub round: u32,
    /// Nanoseconds each.
    pub each_ns: f64,
}

/// All that was measured for the curves: what the JSON file holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Growth {
    /// When, how long and where.
    #[serde(flatten)]
    pub header: Header,
    /// How far and how long.
    pub effort: Effort,
    /// Every sample beside idle connections.
    pub steps: Vec<Step>,
    /// Every sample of a creation.
    pub creations: Vec<Creation>,
    /// What could not be measured, and why.
    pub missing: Vec<String>,
}

/// Measures all curves.
///
/// # Errors
///
/// When something breaks that is not the fault of a measured program.
pub fn run(
    catalogue: &Catalogue,
    effort: &Effort,
    live: &Live,
    observer: &mut dyn Observer,
) -> Result<Growth> {
    let clock = Instant::now();
    let growth = Growth {
        header: Header::new(Growth::FORM),
        effort: *effort,
        steps: Vec::new(),
        creations: Vec::new(),
        missing: Vec::new(),
    };
    let mut run = Run { catalogue, live, observer, growth };
    for round in 0..effort.rounds {
        for program in CURVE_PROGRAMS {
            let result = run.curve(program, round);
            if live.stops() {
                break;
            }
            if let Err(error) = result {
                run.lacks(format!("{program}: {error:#}"));
            }
        }
        for mib in effort.sizes() {
            for (floor, _) in CREATORS {
                if live.stops() {
                    break;
                }
                let what =
                    format!("{floor}, parent of {mib} MiB, round {round}");
                let seconds = floor_estimate(mib) / CREATORS.len() as f64;
                run.observer.begins(&what, seconds);
                run.growth.creations.push(Creation {
                    floor,
                    parent_mib: mib,
                    round,
                    each_ns: floor.measure(catalogue, mib)?,
                });
            }
        }
    }
    let header = run.growth.header.ended(clock, !live.stops());
    Ok(Growth { header, ..run.growth })
}

struct Run<'run> {
    catalogue: &'run Catalogue,
    live: &'run Live,
    observer: &'run mut dyn Observer,
    growth: Growth,
}

impl Run<'_> {
    /// Something could not be measured: that is said once.
    fn lacks(&mut self, why: String) {
        if !self.growth.missing.contains(&why) {
            self.observer.says(&why);
            self.growth.missing.push(why);
        }
    }

    /// One program, from few idle connections to many.
    fn curve(&mut self, program: Program, round: u32) -> Result<()> {
        let Effort { seconds, .. } = self.growth.effort;
        let mut steps = self.growth.effort.steps(program);
        let limit = self.growth.header.machine.descriptors;
        let wanted = steps.last().copied();
        steps.retain(|step| *step as u64 + 64 <= limit);
        if let Some(most) = wanted.filter(|_| steps.last() != wanted.as_ref()) {
            self.lacks(format!(
                "{program}: beside {most} idle connections needs {} \
                 descriptors, this process may have {limit}",
                most + 64
            ));
        }
        let most = steps.last().copied().unwrap_or(1);
        let server =
            self.catalogue.start(program, Serve::UntilEof, most + 1)?;
        let mut idle = Idle::open(server.target(), 0)?;
        for step in steps {
            if self.live.stops() {
                return Ok(());
            }
            let what = format!("{program} beside {step} idle, round {round}");
            self.observer.begins(&what, self.growth.effort.point_estimate());
            idle.open_up_to(step)
                .with_context(|| format!("beside {step} idle"))?;
            let memory = procfs::memory(server.pid())?;
            let time = [seconds, seconds / 10.0];
            let plan = measure::plan(&server, Shape::Echo, 1, time)?;
            let account = Account::new(server.pid());
            let pinned = Pinned::new(Some(server.pid()))?;
            let outcome = load::run(&plan, self.live, &|| account.read())?;
            drop(pinned);
            let used = account.used();
            self.growth.steps.push(Step {
                program,
                idle: step,
                round,
                round_trip_ns: outcome.latency.value_at_quantile(0.5) as f64,
                cpu_ns: used.and_then(|it| it.cpu_each_ns(outcome.completed)),
                pss_kib: memory.pss_kib,
                page_tables_kib: memory.page_tables_kib,
            });
        }
        Ok(())
    }
}

impl Growth {
    /// The form that this version writes.
    pub const FORM: u32 = 1;

    /// One curve for each program, over the number of idle connections.
    fn curves(
        &self,
        words: &Words,
        figure: impl Fn(&Step) -> f64,
    ) -> Result<Vec<Curve>> {
        let curve = |program: Program| {
            let own = self.steps.iter().filter(|it| it.program == program);
            let pairs = own.map(|step| (step.idle as u64, figure(step)));
            let label = words.say(&format!("bar.{}", program.name()), ())?;
            Ok(Curve::through_medians(label, pairs))
        };
        CURVE_PROGRAMS.into_iter().map(curve).collect()
    }

    fn creation_curves(&self, words: &Words) -> Result<Vec<Curve>> {
        let curve = |(floor, name)| {
            let own = self.creations.iter().filter(|it| it.floor == floor);
            let pairs = own.map(|it| (it.parent_mib, it.each_ns));
            let label = words.say(&format!("bar.{name}"), ())?;
            Ok(Curve::through_medians(label, pairs))
        };
        CREATORS.into_iter().map(curve).collect()
    }

    /// The pictures in one language, with the stems of their files.
    fn charts(&self, language: Language) -> Result<[(&'static str, Chart); 3]> {
        let words = Words::of(language);
        let subtitle = words.say("growth.subtitle", self)?;
        let chart = |what: &str, curves: Vec<Curve>| -> Result<Chart> {
            let say = |name| words.say(&format!("growth.{what}_{name}"), ());
            let has_points = |curve: &Curve| !curve.points.is_empty();
            Ok(Chart {
                title: say("title")?,
                subtitle: subtitle.clone(),
                x_label: say("x")?,
                y_label: say("y")?,
                x_format: |x| text::plain(x.round()),
                y_format: text::round_nanoseconds,
                curves: curves.into_iter().filter(has_points).collect(),
            })
        };
        let exchange =
            chart("exchange", self.curves(words, |step| step.round_trip_ns)?)?;
        let held =
            |step: &Step| (step.pss_kib + step.page_tables_kib) as f64 / 1024.0;
        let memory = chart("memory", self.curves(words, held)?)?;
        let creation = chart("creation", self.creation_curves(words)?)?;
        Ok([
            ("growth-exchange", exchange),
            ("growth-memory", Chart { y_format: mebibytes, ..memory }),
            ("growth-creation", Chart { x_format: mebibytes, ..creation }),
        ])
    }

    /// Draws the pictures and returns their files.
    ///
    /// # Errors
    ///
    /// When a file cannot be written, or nothing was measured.
    pub fn draw(&self, directory: &Path) -> Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for language in Language::ALL {
            for (name, chart) in self.charts(language)? {
                if !chart.curves.is_empty() {
                    let file = directory.join(language.file(name, "svg"));
                    plot::draw(&chart, &file)?;
                    files.push(file);
                }
            }
        }
        Ok(files)
    }
}

fn mebibytes(value: f64) -> String {
    format!("{} MiB", text::plain(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn select_ends_where_its_descriptors_end() {
        let last =
            |program| Effort::FULL.steps(program).last().copied().unwrap();
        assert_eq!(last(P::MuxSelect), 1000);
        assert_eq!(last(P::MuxEpoll), 10_000);
        assert_eq!(last(P::Process), 3000);
    }
}
