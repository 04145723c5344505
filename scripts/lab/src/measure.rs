//! One sample: one program, one kind of work, a handful of figures.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::process::Command;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};
use strum::{IntoStaticStr, VariantArray};

use crate::catalogue::{Catalogue, Program, Serve};
use crate::load::idle::Idle;
use crate::load::{self, Ending, Limit, Live, Outcome, Plan, Shape, stream};
use crate::machine::Pinned;
use crate::procfs::{self, CpuTime, Memory};
use crate::program::{Server, Unavailable};
use crate::text;

/// What a measurement tells the program that shows its progress.
pub trait Observer {
    /// The next thing is begun, which takes so many seconds, about.
    fn begins(&mut self, what: &str, seconds: f64);
    /// What would have taken so many seconds is left out.
    fn skips(&mut self, seconds: f64);
    /// Something that the reader should know at once.
    fn says(&mut self, line: &str);
}

/// Something that a server is asked to do, the same for each.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Work {
    /// Connect, one message, its reply, the close; so many clients at a time.
    Exchange(usize),
    /// Round trips until the end of file, on so many connections.
    Echo(usize),
    /// Round trips on one connection, beside so many that do nothing.
    BesideIdle(usize),
    /// So many clients at the very same moment, one exchange each.
    Burst(usize),
    /// So many connections that do nothing: what they hold in memory.
    Memory(usize),
    /// One connection that streams so many MiB.
    Stream(u64),
    /// Round trips on one connection of messages of so many bytes, until the
    /// end of file. A server receives a long one in several pieces.
    Sized(usize),
}

impl Work {
    /// How the server has to serve for it.
    pub fn serve(self) -> Serve {
        match self {
            Self::Exchange(_) | Self::Burst(_) => Serve::Once,
            _ => Serve::UntilEof,
        }
    }

    /// Connections at a time.
    pub fn connections(self) -> usize {
        match self {
            Self::Exchange(count)
            | Self::Echo(count)
            | Self::Burst(count)
            | Self::Memory(count) => count,
            Self::BesideIdle(count) => count + 1,
            Self::Stream(_) | Self::Sized(_) => 1,
        }
    }

    /// Whether client and server run on one processor: without that, the
    /// figures of one active connection depend on chance.
    pub fn is_pinned(self) -> bool {
        matches!(
            self,
            Self::Exchange(1)
                | Self::Echo(1)
                | Self::BesideIdle(_)
                | Self::Sized(_)
        )
    }

    /// Descriptors that one process needs for it, on either side.
    pub fn descriptors(self) -> u64 {
        self.connections() as u64 + 64
    }
}

impl fmt::Display for Work {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Exchange(1) => "one exchange, 1 client".to_owned(),
            Self::Exchange(count) => format!("one exchange, {count} clients"),
            Self::Echo(1) => "until EOF, 1 connection".to_owned(),
            Self::Echo(count) => format!("until EOF, {count} connections"),
            Self::BesideIdle(count) => {
                format!("one active beside {count} idle")
            }
            Self::Burst(count) => format!("burst of {count} clients"),
            Self::Memory(count) => {
                format!("memory, {count} idle connections")
            }
            Self::Stream(mib) => format!("one connection, {mib} MiB"),
            Self::Sized(bytes) => {
                format!("round trip of {} bytes", text::count(*bytes as u64))
            }
        };
        to.pad(&text)
    }
}

/// A figure of a sample.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Metric {
    /// Exchanges or round trips per second.
    Rate,
    /// Processor time of the server for each of them, nanoseconds.
    CpuNs,
    /// The median latency, nanoseconds.
    MedianNs,
    /// The 99th percentile of latency, nanoseconds.
    P99Ns,
    /// The longest, nanoseconds.
    MaxNs,
    /// Share of a processor that the client used.
    ClientShare,
    /// Share of all processors that neither server nor client used.
    OthersShare,
    /// Memory of the server's processes for each connection, KiB (PSS).
    UserKib,
    /// Page tables of the server's processes for each connection, KiB.
    PageTablesKib,
    /// Kernel memory of the whole machine for each connection, KiB: both
    /// ends of it, and whatever else the machine did meanwhile.
    KernelKib,
    /// Threads of the server for each connection.
    Threads,
    /// MiB per second.
    MibPerSecond,
}

impl Metric {
    /// Whether more is better.
    pub fn more_is_better(self) -> bool {
        matches!(self, Self::Rate | Self::MibPerSecond)
    }
}

/// When other programs use more of the processors than this, the figures are in
/// doubt.
pub const NOISY: f64 = 0.05;

/// One measurement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// The program.
    pub program: Program,
    /// The work that it did.
    pub work: Work,
    /// In which round; samples of one round are neighbours in time.
    pub round: u32,
    /// Seconds since the run began.
    pub at: f64,
    /// The figures.
    pub values: BTreeMap<Metric, f64>,
    /// What went wrong, by kind.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub errors: BTreeMap<String, u64>,
}

/// How long samples take.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Effort {
    /// Samples of each program and work.
    pub rounds: u32,
    /// The counted part of a sample, seconds.
    pub seconds: f64,
    /// Load before, not counted, seconds.
    pub warm_up_seconds: f64,
    /// Bursts of a sample of bursts.
    pub bursts: u32,
    /// MiB of a stream.
    pub stream_mib: u64,
}

impl Effort {
    /// Enough to trust differences of a few percent.
    pub const FULL: Self = Self {
        rounds: 5,
        seconds: 0.5,
        warm_up_seconds: 0.1,
        bursts: 20,
        stream_mib: 1024,
    };
    /// Enough to see where one stands.
    pub const QUICK: Self = Self {
        rounds: 3,
        seconds: 0.2,
        warm_up_seconds: 0.05,
        bursts: 5,
        stream_mib: 64,
    };

    /// Seconds that a sample takes, about.
    pub fn estimate(&self, work: Work) -> f64 {
        let timed = self.seconds + self.warm_up_seconds;
        let connections = work.connections() as f64;
        match work {
            Work::Exchange(_) | Work::BesideIdle(_) | Work::Sized(_) => {
                timed + 0.02
            }
            // Opening each connection, and closing it.
            Work::Echo(_) => timed + 0.02 + connections * 0.3e-3,
            Work::Burst(_) => f64::from(self.bursts) * 0.02,
            Work::Memory(_) => 0.3 + connections * 0.6e-3,
            Work::Stream(mib) => mib as f64 / 300.0,
        }
    }
}

/// Readings of what a server and the whole machine have used: one where the
/// counted part of a load begins, one where it ends.
#[derive(Debug)]
pub struct Account {
    server: Pid,
    /// Whether context switches are counted: for that every thread is read.
    switches: bool,
    began: Instant,
    readings: Mutex<Vec<Used>>,
}

/// What was used, between begin and end of an account.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Used {
    /// By the server.
    pub server: CpuTime,
    /// By everything on this machine.
    pub machine: Option<Duration>,
    /// How long that was.
    pub elapsed: Duration,
    /// How often a thread of the server waited, or was made to.
    pub switches: u64,
}

impl Used {
    fn since(&self, before: &Self) -> Self {
        Self {
            server: CpuTime {
                total: self.server.total.saturating_sub(before.server.total),
                complete: before.server.complete && self.server.complete,
            },
            machine: self
                .machine
                .zip(before.machine)
                .map(|(now, before)| now.saturating_sub(before)),
            elapsed: self.elapsed.saturating_sub(before.elapsed),
            switches: self.switches.saturating_sub(before.switches),
        }
    }

    /// The share of all processors that neither server nor client used:
    /// whatever else was running, and a hypervisor's other machines. The
    /// kernel counts in ticks, so that less than a few percent say nothing.
    pub fn share_of_others(&self, client: Duration) -> Option<f64> {
        let ours = self.server.total + client;
        let others = self.machine?.saturating_sub(ours).as_secs_f64();
        // Also while client and server are pinned to one of them.
        let processors = procfs::all_processors()? as f64;
        let all = self.elapsed.as_secs_f64() * processors;
        (all > 0.0 && self.server.complete).then(|| others / all)
    }

    /// Processor time of the server for each of so many operations,
    /// nanoseconds. Of children that the kernel reaps by itself there is no
    /// account: no figure is better than one that is too good.
    pub fn cpu_each_ns(&self, count: u64) -> Option<f64> {
        let total = self.server.total.as_secs_f64() * 1e9;
        self.server.complete.then(|| total / count.max(1) as f64)
    }
}

impl Account {
    /// An account of a server that has used nothing yet.
    pub fn new(server: Pid) -> Self {
        let began = Instant::now();
        let readings = Mutex::new(Vec::new());
        Self { server, switches: false, began, readings }
    }

    /// The same, with the context switches.
    pub fn with_switches(server: Pid) -> Self {
        Self { switches: true, ..Self::new(server) }
    }

    /// Reads what has been used by now.
    pub fn read(&self) {
        if let (Ok(server), Ok(mut readings)) =
            (procfs::cpu_time(self.server), self.readings.lock())
        {
            readings.push(Used {
                server,
                machine: procfs::machine_busy(),
                elapsed: self.began.elapsed(),
                switches: if self.switches {
                    procfs::context_switches(self.server)
                } else {
                    0
                },
            });
        }
    }

    /// What was used between the first reading and the last.
    pub fn used(self) -> Option<Used> {
        let readings = self.readings.into_inner().ok()?;
        Some(readings.last()?.since(readings.first()?))
    }
}

/// A program that is ready to be measured at one kind of work.
#[derive(Debug)]
pub struct Prepared {
    /// The program.
    pub program: Program,
    /// The work.
    pub work: Work,
    /// The idle connections, which are closed before the server is stopped.
    _idle: Option<Idle>,
    server: Server,
}

impl Prepared {
    /// Starts the program and whatever stays the same for all samples.
    ///
    /// # Errors
    ///
    /// When the program cannot take part, or not do this work.
    pub fn new(
        catalogue: &Catalogue,
        program: Program,
        work: Work,
    ) -> Result<Self, Unavailable> {
        let clients = work.connections();
        let server = catalogue.start(program, work.serve(), clients)?;
        let idle = match work {
            Work::BesideIdle(count) => {
                let idle = Idle::open(server.target(), count);
                Some(idle.map_err(|it| Unavailable::Failed(format!("{it:#}")))?)
            }
            _ => None,
        };
        Ok(Self { program, work, _idle: idle, server })
    }

    /// Takes one sample; `round` and `at` are the caller's to fill in.
    ///
    /// # Errors
    ///
    /// When the server or the load breaks down.
    pub fn sample(
        &self,
        catalogue: &Catalogue,
        effort: &Effort,
        live: &Live,
    ) -> Result<Sample> {
        let Self { program, work, server, .. } = self;
        let mut sample = Sample {
            program: *program,
            work: *work,
            round: 0,
            at: 0.0,
            values: BTreeMap::new(),
            errors: BTreeMap::new(),
        };
        if let Work::Memory(count) = *work {
            // This server has only shown that the program starts: memory is
            // measured on one of its own each time.
            sample.values = memory(catalogue, *program, count)?;
            return Ok(sample);
        }
        let pid = Some(server.pid());
        let pinned = work.is_pinned().then(|| Pinned::new(pid)).transpose()?;
        let shape = match work.serve() {
            Serve::UntilEof => Shape::Echo,
            Serve::Once if program.can_serve_once() => {
                Shape::Exchange(Ending::Server)
            }
            Serve::Once => Shape::Exchange(Ending::Client),
        };
        let active = match work {
            Work::BesideIdle(_) => 1,
            other => other.connections(),
        };
        let time = [effort.seconds, effort.warm_up_seconds];
        let mut plan = plan(server, shape, active, time)?;
        match *work {
            Work::Stream(mib) => streams(&mut sample, server, mib, live)?,
            // Many clients at the same moment, several times; the longest
            // counts.
            Work::Burst(count) => {
                plan.warm_up = Duration::ZERO;
                plan.limit = Limit::Count(count as u64);
                let mut all = load::new_histogram();
                for _ in 0..effort.bursts {
                    let outcome = load::run(&plan, live, &|| ())?;
                    all.add(&outcome.latency)?;
                    add_errors(&mut sample, &outcome);
                }
                add_latencies(&mut sample, &all);
            }
            Work::Sized(bytes) => {
                plan.message_size =
                    NonZeroUsize::new(bytes).context("an empty message")?;
                record(&mut sample, server, &plan, live)?;
            }
            _ => record(&mut sample, server, &plan, live)?,
        }
        drop(pinned);
        settle(server);
        Ok(sample)
    }
}

/// A load of so many seconds, after a warm-up of so many.
pub(crate) fn plan(
    server: &Server,
    shape: Shape,
    connections: usize,
    [seconds, warm_up]: [f64; 2],
) -> Result<Plan> {
    let connections =
        NonZeroUsize::new(connections).context("no connections")?;
    let limit = Limit::Time(Duration::from_secs_f64(seconds));
    Ok(Plan {
        warm_up: Duration::from_secs_f64(warm_up),
        ..Plan::new(server.target(), shape, connections, limit)
    })
}

fn add_latencies(sample: &mut Sample, latency: &hdrhistogram::Histogram<u64>) {
    if latency.is_empty() {
        return;
    }
    sample.values.extend([
        (Metric::MedianNs, latency.value_at_quantile(0.5) as f64),
        (Metric::P99Ns, latency.value_at_quantile(0.99) as f64),
        (Metric::MaxNs, latency.max() as f64),
    ]);
}

fn add_errors(sample: &mut Sample, outcome: &Outcome) {
    for (name, count) in outcome.errors.by_name() {
        *sample.errors.entry(name).or_default() += count;
    }
}

fn record(
    sample: &mut Sample,
    server: &Server,
    plan: &Plan,
    live: &Live,
) -> Result<()> {
    let account = Account::new(server.pid());
    let outcome = load::run(plan, live, &|| account.read())?;
    ensure!(outcome.completed > 0, "nothing was answered: {}", outcome.errors);
    add_errors(sample, &outcome);
    add_latencies(sample, &outcome.latency);
    sample.values.insert(Metric::Rate, outcome.rate());
    sample.values.insert(Metric::ClientShare, outcome.client_share);
    let used = account.used();
    let each = used.and_then(|it| it.cpu_each_ns(outcome.completed));
    let others = used.and_then(|it| it.share_of_others(outcome.client_cpu));
    sample.values.extend(each.map(|each| (Metric::CpuNs, each)));
    sample.values.extend(others.map(|it| (Metric::OthersShare, it)));
    Ok(())
}

fn streams(
    sample: &mut Sample,
    server: &Server,
    mib: u64,
    live: &Live,
) -> Result<()> {
    let account = Account::new(server.pid());
    let took =
        stream::run(server.target(), mib << 20, live, &|| account.read())?;
    let rate = mib as f64 / took.as_secs_f64();
    sample.values.insert(Metric::MibPerSecond, rate);
    let each = account.used().and_then(|used| used.cpu_each_ns(mib));
    sample.values.extend(each.map(|each| (Metric::CpuNs, each)));
    Ok(())
}

/// Waits until a server has cleaned up after the last sample, so that its
/// children's ends do not weigh on the next program's.
pub(crate) fn settle(server: &Server) {
    const CALM: Duration = Duration::from_micros(300);
    let deadline = Instant::now() + Duration::from_secs(2);
    let read = || procfs::cpu_time(server.pid()).map(|cpu| cpu.total);
    let mut before = read().unwrap_or_default();
    while Instant::now() < deadline {
        thread::sleep(Duration::from_millis(5));
        let now = read().unwrap_or_default();
        if now.saturating_sub(before) < CALM {
            return;
        }
        before = now;
    }
}

/// Memory for each idle connection of a server that has just started.
pub(crate) fn memory(
    catalogue: &Catalogue,
    program: Program,
    count: usize,
) -> Result<BTreeMap<Metric, f64>> {
    let server = catalogue
        .start(program, Serve::UntilEof, count)
        .with_context(|| program.to_string())?;
    // What is set up with the first clients is not each client's.
    drop(Idle::open(server.target(), 8)?);
    settle(&server);
    let read = || -> Result<(Memory, u64)> {
        let kernel = procfs::kernel_memory_kib()?;
        Ok((procfs::memory(server.pid())?, kernel))
    };
    let (before, kernel_before) = read()?;
    let idle = Idle::open(server.target(), count)?;
    settle(&server);
    let (after, kernel_after) = read()?;
    drop(idle);
    let figures = [
        (Metric::UserKib, before.pss_kib, after.pss_kib),
        (Metric::PageTablesKib, before.page_tables_kib, after.page_tables_kib),
        (Metric::KernelKib, kernel_before, kernel_after),
        (Metric::Threads, before.threads, after.threads),
    ];
    let each = |(metric, before, after): (Metric, u64, u64)| {
        (metric, (after as f64 - before as f64) / count as f64)
    };
    Ok(figures.map(each).into())
}

/// What the kernel itself takes, without any server.
#[derive(Serialize, Deserialize, IntoStaticStr, VariantArray)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Floor {
    /// Both ends of a connection in one thread.
    RoundTripAlone,
    /// Two processes on one processor, blocking.
    RoundTripPair,
    /// Connect, message, reply, close: both ends in one thread.
    ExchangeAlone,
    /// Connect, accept, close, close.
    ConnectAcceptClose,
    /// `pthread_create` and join.
    Thread,
    /// `std::thread::spawn` and join.
    StdThread,
    /// `fork`, `_exit`, wait.
    Fork,
}

impl Floor {
    /// Operations that take about as long as any other floor's.
    fn count(self) -> u64 {
        match self {
            Self::RoundTripAlone | Self::RoundTripPair => 20_000,
            Self::ExchangeAlone
            | Self::ConnectAcceptClose
            | Self::Thread
            | Self::StdThread => 4000,
            Self::Fork => 500,
        }
    }

    /// Measures it once, in nanoseconds for each operation, beside a parent
    /// that has touched so many MiB of memory (0 as a rule).
    ///
    /// # Errors
    ///
    /// When the program that measures it cannot be compiled or run.
    pub fn measure(self, catalogue: &Catalogue, mib: u64) -> Result<f64> {
        let share = 1 + mib / 8; // a larger parent takes longer
        let count = (self.count() / share).max(20);
        let name: &str = self.into();
        let mut command = if self == Self::StdThread {
            catalogue.lab_peer(name)
        } else {
            let mut floors = Command::new(catalogue.floors()?);
            floors.arg(name);
            floors
        };
        command.args([count.to_string(), mib.to_string()]);
        // Two processes that wake each other share one processor: without
        // that, the figure depends on chance.
        let pair = self == Self::RoundTripPair;
        let _pinned = pair.then(|| Pinned::new(None)).transpose()?;
        printed_by(&mut command, &format!("the floor {name}"))
    }
}

/// The number that a program prints.
pub(crate) fn printed_by(command: &mut Command, what: &str) -> Result<f64> {
    let output = command.output().with_context(|| what.to_owned())?;
    ensure!(
        output.status.success(),
        "{what} failed: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    let text = String::from_utf8_lossy(&output.stdout);
    let number = text.trim().parse();
    number.with_context(|| format!("{what} printed {text:?}"))
}

impl fmt::Display for Floor {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.pad(match self {
            Self::RoundTripAlone => "round trip, one thread with itself",
            Self::RoundTripPair => "round trip, two processes, pinned",
            Self::ExchangeAlone => "whole exchange, one thread with itself",
            Self::ConnectAcceptClose => "connect, accept, close",
            Self::Thread => "pthread create and join",
            Self::StdThread => "std::thread spawn and join",
            Self::Fork => "fork, exit and wait",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_used_is_a_share_of_all_processors() {
        let second = Duration::from_secs(1);
        let nothing = CpuTime { total: Duration::ZERO, complete: true };
        let used = Used {
            server: nothing,
            machine: Some(second),
            elapsed: second,
            switches: 0,
        };
        let share = || used.share_of_others(Duration::ZERO).unwrap();
        let all = share();
        let _pinned = Pinned::new(None).unwrap();
        assert_eq!(share().to_bits(), all.to_bits());
        assert!(share() * procfs::all_processors().unwrap() as f64 >= 0.99);
    }
}
