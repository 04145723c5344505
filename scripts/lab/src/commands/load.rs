//! `lab load`: the load client by hand.

use std::fmt::Write;
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use hdrhistogram::Histogram;
use indicatif::{ProgressBar, ProgressStyle};
use lab::catalogue::{Catalogue, Program, Serve};
use lab::load::{
    self, Ending, Limit, Live, Outcome, Pace, Plan, Ports, Shape, Target,
};
use lab::machine::{self, Pinned};
use lab::measure::{Account, NOISY, Used};
use lab::procfs::{self, CpuTime};
use lab::program::Server;
use lab::text;

use super::out;
use super::progress::{milliseconds, until_interrupted};

#[derive(Args)]
pub struct Arguments {
    /// One of our servers, built and started for this run: threads, process,
    /// mux, mux:select, mux:poll, mux:epoll; or the address of a server that
    /// runs on this machine: PORT, HOST:PORT
    #[arg(value_name = "SERVER")]
    server: String,
    /// Connections at a time
    #[arg(short, long, default_value = "8")]
    connections: NonZeroUsize,
    /// Bytes of a message
    #[arg(short, long, default_value = "64", value_name = "BYTES")]
    size: NonZeroUsize,
    /// One exchange for each connection, or connections that stay
    #[arg(long, default_value = "once")]
    serve: Serve,
    /// With --serve once: who ends a connection
    #[arg(long, default_value = "server", value_name = "WHO")]
    close: Ending,
    /// How long, for example 10s or 1500ms
    #[arg(short, long, default_value = "10s", value_parser = some_time)]
    duration: Duration,
    /// So many exchanges or round trips instead of a duration
    #[arg(
        short = 'n',
        long,
        value_name = "N",
        conflicts_with = "duration",
        value_parser = clap::value_parser!(u64).range(1..),
    )]
    count: Option<u64>,
    /// Open loop: so many begin each second, whether or not the server keeps
    /// up, and latency counts from when each should have begun
    #[arg(short, long, value_name = "PER_SECOND")]
    rate: Option<f64>,
    /// Load of the same kind before, not counted
    #[arg(
        long,
        default_value = "500ms",
        value_parser = humantime::parse_duration,
    )]
    warm_up: Duration,
    /// Threads of this client
    #[arg(long, default_value = "1")]
    threads: NonZeroUsize,
    /// What takes longer has failed
    #[arg(long, default_value = "10s", value_parser = some_time)]
    timeout: Duration,
    /// Pin server and client to one processor (a server that we started)
    #[arg(long)]
    pin: bool,
}

/// A duration that is longer than none.
fn some_time(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text).map_err(|it| it.to_string())?;
    if time.is_zero() {
        return Err("it must be longer than 0 s".to_owned());
    }
    Ok(time)
}

pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let descriptors = machine::raise_descriptor_limit()?;
    let needed = arguments.connections.get() as u64 + 32;
    ensure!(
        needed <= descriptors,
        "{} connections need {needed} descriptors, and this process may have \
         {descriptors}; raise the limit with `ulimit -n`",
        arguments.connections
    );
    let (target, server) = server(arguments)?;
    let plan = plan(arguments, target);
    ensure!(
        plan.message_size.get() <= 1024
            || arguments.serve == Serve::UntilEof
            || server.is_none(),
        "with --serve once our servers answer one receive of at most 1024 \
         bytes"
    );
    let pinned = match &server {
        Some(server) if arguments.pin => Some(Pinned::new(Some(server.pid()))?),
        None if arguments.pin => {
            bail!("only a server that the lab starts can be pinned")
        }
        _ => None,
    };
    // A server of others may serve in another way than this load expects.
    if server.is_none() {
        load::probe(&plan)?;
    }
    let account = server.as_ref().map(|server| Account::new(server.pid()));
    let outcome = watched(&plan, account.as_ref())?;
    if let Some(pinned) = &pinned {
        out!("server and client pinned to processor {}", pinned.processor);
    }
    print(&plan, &outcome);
    if let Some(used) = account.and_then(Account::used) {
        print_account(&used, &outcome);
    }
    warn(&plan, &outcome);
    for line in server.iter().flat_map(Server::complaints) {
        out!("the server says: {line}");
    }
    let wrong = outcome.errors.wrong();
    if wrong > 0 {
        out!("failed: {} replies were not what was sent", text::count(wrong));
    }
    Ok(if outcome.completed == 0 || wrong > 0 {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// The address to go to, and the server if the lab starts it itself.
fn server(arguments: &Arguments) -> Result<(Target, Option<Server>)> {
    let program = match arguments.server.as_str() {
        "threads" => Program::Threads,
        "process" => Program::Process,
        "mux:select" => Program::MuxSelect,
        "mux" | "mux:poll" => Program::MuxPoll,
        "mux:epoll" => Program::MuxEpoll,
        address if address.contains(|it: char| it.is_ascii_digit()) => {
            return Ok((Target::parse(address)?, None));
        }
        unknown => bail!(
            "there is no server called {unknown}; there are threads, process, \
             mux, mux:select, mux:poll and mux:epoll, and the PORT or \
             HOST:PORT of any server that runs on this machine"
        ),
    };
    let clients = arguments.connections.get();
    let server = Catalogue::new()?
        .start(program, arguments.serve, clients)
        .with_context(|| program.to_string())?;
    Ok((server.target(), Some(server)))
}

fn plan(arguments: &Arguments, target: Target) -> Plan {
    let shape = match arguments.serve {
        Serve::UntilEof => Shape::Echo,
        Serve::Once => Shape::Exchange(arguments.close),
    };
    let time = Limit::Time(arguments.duration);
    Plan {
        target,
        shape,
        connections: arguments.connections,
        message_size: arguments.size,
        pace: arguments.rate.map_or(Pace::Closed, Pace::Open),
        limit: arguments.count.map_or(time, Limit::Count),
        warm_up: arguments.warm_up,
        threads: arguments.threads,
        timeout: arguments.timeout,
    }
}

/// Runs the plan; shows its progress on a terminal; on Ctrl-C stops early and
/// returns what there is.
fn watched(plan: &Plan, account: Option<&Account>) -> Result<Outcome> {
    let live = &until_interrupted()?;
    let witness = || _ = account.map(Account::read);
    let finished = AtomicBool::new(false);
    thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let bar = ProgressBar::new(0);
            if !bar.is_hidden() {
                watch(plan, live, &finished, &bar);
            }
            bar.finish_and_clear();
        });
        // The load itself stays in this thread, which may be pinned.
        let outcome = load::run(plan, live, &witness);
        finished.store(true, Ordering::Relaxed);
        watcher.thread().unpark();
        outcome
    })
}

/// Shows rate and latencies of each last interval, and how far it is.
fn watch(plan: &Plan, live: &Live, finished: &AtomicBool, bar: &ProgressBar) {
    const INTERVAL: Duration = Duration::from_millis(250);
    if let Ok(style) =
        ProgressStyle::with_template("{bar:40} {elapsed} of {prefix}\n{msg}")
    {
        bar.set_style(style.progress_chars("━╸─"));
    }
    let (length, shown) = match plan.limit {
        Limit::Time(time) => (milliseconds(time), text::duration(time)),
        Limit::Count(count) => (count, text::count(count)),
    };
    bar.set_prefix(shown);
    bar.set_length(length);
    let mut before = 0;
    let mut begin = None;
    let mut last = Instant::now();
    while !finished.load(Ordering::Relaxed) {
        thread::park_timeout(INTERVAL);
        let now = Instant::now();
        let completed = live.completed.load(Ordering::Relaxed);
        if live.counting.load(Ordering::Relaxed) && begin.is_none() {
            begin = Some(now);
        }
        let position = match plan.limit {
            Limit::Time(_) => begin.map_or(0, |it| milliseconds(now - it)),
            Limit::Count(_) => completed,
        };
        bar.set_position(position.min(length));
        let recent = live.recent.lock().ok().and_then(|mut it| it.take());
        let errors = live.errors.load(Ordering::Relaxed);
        let rate = (completed - before) as f64 / (now - last).as_secs_f64();
        bar.set_message(moment(rate, recent.as_ref(), errors));
        before = completed;
        last = now;
    }
}

fn moment(rate: f64, recent: Option<&Histogram<u64>>, errors: u64) -> String {
    let mut text = format!("{:>8}/s", text::three_digits(rate));
    if let Some(recent) = recent.filter(|recent| !recent.is_empty()) {
        let _ = write!(
            text,
            "   p50 {:>7}  p99 {:>7}  max {:>7}\n1 µs {} 10 s",
            latency(recent, 0.5),
            latency(recent, 0.99),
            latency(recent, 1.0),
            text::blocks(recent),
        );
    }
    if errors > 0 {
        let _ = write!(text, "\n{} errors", text::count(errors));
    }
    text
}

fn latency(histogram: &Histogram<u64>, share: f64) -> String {
    text::duration(Duration::from_nanos(histogram.value_at_quantile(share)))
}

fn print(plan: &Plan, outcome: &Outcome) {
    let Plan { connections, target, message_size, .. } = plan;
    let Outcome { completed, elapsed, latency, errors, .. } = outcome;
    let what = match plan.shape {
        Shape::Exchange(_) => "exchanges",
        Shape::Echo => "round trips",
    };
    let how = match plan.pace {
        Pace::Closed => "closed loop".to_owned(),
        Pace::Open(rate) => {
            let rate = text::three_digits(rate);
            format!("open loop, {rate} begin each second")
        }
    };
    out!("{connections} connections to {target}, {message_size} bytes, {how}");
    out!(
        "{} {what} in {}: {} each second",
        text::count(*completed),
        text::duration(*elapsed),
        text::three_digits(outcome.rate()),
    );
    if !latency.is_empty() {
        let shares = [
            ("p50", 0.5),
            ("p90", 0.9),
            ("p99", 0.99),
            ("p99.9", 0.999),
            ("max", 1.0),
        ];
        let at = |(name, share): (&str, f64)| {
            format!("{name} {}", self::latency(latency, share))
        };
        out!("latency  {}", shares.map(at).join("   "));
        out!("         1 µs {} 10 s, logarithmic", text::blocks(latency));
    }
    let none = errors.total() == 0;
    let errors = if none { "none".to_owned() } else { errors.to_string() };
    out!("errors   {errors}");
    let share = outcome.client_share * 100.0;
    out!("client   {share:.0} % of a processor (its busiest thread)");
}

fn print_account(used: &Used, outcome: &Outcome) {
    let completed = u32::try_from(outcome.completed).unwrap_or(u32::MAX);
    let CpuTime { total, complete } = used.server;
    out!(
        "server   {:.0} % of a processor, {} for each{}",
        total.as_secs_f64() / outcome.elapsed.as_secs_f64() * 100.0,
        text::duration(total.checked_div(completed).unwrap_or_default()),
        if complete {
            ""
        } else {
            ", not counting children, whose time the kernel has dropped"
        }
    );
    let others = used.share_of_others(outcome.client_cpu);
    if let Some(others) = others.filter(|it| *it > NOISY) {
        out!(
            "warning: something else used {:.0} % of this machine's \
             processors meanwhile",
            others * 100.0
        );
    }
}

/// Warns when the figures do not mean what they seem to.
fn warn(plan: &Plan, outcome: &Outcome) {
    let Ports { closed_first, addresses, exhausted } = outcome.ports;
    let count = text::count;
    if outcome.client_was_the_bottleneck() {
        out!(
            "warning: this client was probably the bottleneck; compare the \
             server's processor time instead, or try --threads 2"
        );
    }
    if outcome.unfinished > 0 {
        out!(
            "warning: {} more should have begun or ended by then, and are \
             not in the latencies: the server cannot keep up",
            count(outcome.unfinished)
        );
    }
    if exhausted > 0 {
        out!(
            "warning: {} times all ports of a source address were taken",
            count(exhausted)
        );
    }
    if closed_first > 1000 || addresses > 1 {
        let waiting = procfs::sockets_in_time_wait().map(|it| {
            let it = count(it);
            format!("; {it} sockets of this machine are in TIME_WAIT now")
        });
        out!(
            "ports    the client ended {} connections first, and each keeps \
             its port for a minute; {addresses} source addresses taken in \
             turn{}",
            count(closed_first),
            waiting.unwrap_or_default()
        );
    }
    if !plan.target.address().is_ipv4()
        && closed_first > procfs::ephemeral_ports().unwrap_or(0) / 2
    {
        out!(
            "warning: there is one address ::1 only, and most of its ports \
             were taken: finding a free one slowed this client down"
        );
    }
}
