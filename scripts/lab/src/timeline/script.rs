//! The run that is drawn: four servers, one after the other, each with the
//! same four clients: one that is slow to send, two that are fast, and one
//! whose message takes long to compute.

use std::fs;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::{getpid, gettid};
use probe::wait::within;

use super::Strip;
use super::trace::{ASKED, CLIENTS, CONNECTS, Event, Trace};
use crate::catalogue::Catalogue;
use crate::load::Target;
use crate::program::{Announces, Server};

/// Processor time that each message costs, microseconds: what the server
/// takes from the kernel at a time, up to 1024 bytes, is one message.
const WORK: &str = "10000";
/// One message.
const SHORT: usize = 7;
/// Four of them.
const LONG: usize = 4 * 1024;

struct Role {
    /// What its lane is called.
    kind: &'static str,
    /// When it sends, milliseconds after it has connected.
    sends: u64,
    /// How much.
    bytes: usize,
}

/// How long after the one before it a client connects.
const APART: Duration = Duration::from_millis(4);

const ROLES: [Role; 4] = [
    Role { kind: "slow", sends: 70, bytes: SHORT },
    Role { kind: "fast", sends: 0, bytes: SHORT },
    Role { kind: "computes", sends: 0, bytes: LONG },
    Role { kind: "fast", sends: 0, bytes: SHORT },
];

/// How often each server is run. The least disturbed run is drawn: whatever
/// else a machine does can only make one longer.
const RUNS: u32 = 11;

/// Runs the four servers and returns the files with their traces, the one
/// that serves one after the other first.
///
/// # Errors
///
/// When a server does not start, or a client is not served.
pub fn run(
    catalogue: &Catalogue,
    directory: &Path,
    mut tell: impl FnMut(&str),
) -> Result<Vec<PathBuf>> {
    fs::create_dir_all(directory)
        .with_context(|| format!("creating {}", directory.display()))?;
    let mut files = Vec::new();
    for (name, package, most) in [
        ("one-after-the-other", "threads-server", "1"),
        ("threads", "threads-server", "64"),
        ("processes", "process-server", "64"),
        ("loop", "mux-server", "64"),
    ] {
        tell(&format!("{name}: the shortest of {RUNS} runs"));
        let file = directory.join(format!("{name}.json"));
        let mut best: Option<(f64, String)> = None;
        for _ in 0..RUNS {
            let text = run_once(catalogue, package, most, &file)?;
            let end = Strip::new(&Trace::parse(&text)?)?.end;
            if best.as_ref().is_none_or(|(shortest, _)| end < *shortest) {
                best = Some((end, text));
            }
        }
        let (_, text) = best.context("no run")?;
        fs::write(&file, text)
            .with_context(|| format!("writing {}", file.display()))?;
        files.push(file);
    }
    Ok(files)
}

/// The trace of one server and its four clients.
fn run_once(
    catalogue: &Catalogue,
    package: &str,
    most: &str,
    file: &Path,
) -> Result<String> {
    if file.exists() {
        fs::remove_file(file)
            .with_context(|| format!("removing {}", file.display()))?;
    }
    let program = catalogue.servers.get(package).context("not built")?;
    let mut command = Command::new(program);
    command
        .args(["--port", "0", "--quiet", "--serve", "until-eof"])
        .args(["--language", "en", "--max-clients", most])
        .args(["--cpu-work", WORK, "--trace"])
        .arg(file);
    let server = Server::start(command, Announces::FirstLine)
        .with_context(|| package.to_owned())?;
    warm_up(server.target(), file)?;
    let events = play(server.target())?;
    // The last lines are written when the server has stopped.
    drop(server);
    let text = fs::read_to_string(file)
        .with_context(|| format!("reading {}", file.display()))?;
    let new = after_the_first_client(&text);
    let mut lines = format!("[\n{new}");
    for event in events {
        lines += &serde_json::to_string(&event)?;
        lines += ",\n";
    }
    Ok(lines)
}

/// What a trace holds after the end of its first client.
fn after_the_first_client(text: &str) -> &str {
    let end = text.find(CLOSED).unwrap_or(0);
    let line = text[end..].find('\n').map_or(text.len(), |at| end + at + 1);
    &text[line..]
}

/// How the line about a client's end begins.
const CLOSED: &str = r#"{"name":"closed""#;

/// One client beforehand, that is not drawn: the first one of a program is
/// slower than others.
fn warm_up(target: Target, file: &Path) -> Result<()> {
    let mut stream = target.connect()?;
    stream.write_all(b"here\n")?;
    stream.shutdown(Shutdown::Write)?;
    stream.read_to_end(&mut Vec::new())?;
    let traced = within(Duration::from_secs(10), || {
        let text = fs::read_to_string(file).ok()?;
        text.contains(CLOSED).then_some(())
    });
    traced.context("nothing is traced")
}

/// Microseconds of the clock that the servers' traces are written by.
fn now() -> Result<f64> {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC)?;
    Ok(Duration::from(now).as_secs_f64() * 1e6)
}

/// Plays all four clients and returns what they saw.
fn play(target: Target) -> Result<Vec<Event>> {
    thread::scope(|scope| {
        // However busy the machine is, they come in their order.
        let mut turn = None;
        let mut clients = Vec::new();
        for role in &ROLES {
            let (connected, next) = mpsc::channel();
            let before = turn.replace(next);
            clients.push(scope.spawn(move || {
                if let Some(before) = before {
                    before.recv().context("the one before has failed")?;
                    thread::sleep(APART);
                }
                play_one(target, role, &connected)
            }));
        }
        let mut events = vec![Event::naming("process_name", lane(), CLIENTS)];
        for client in clients {
            events.extend(
                client.join().map_err(|_| anyhow!("a client panicked"))??,
            );
        }
        drop(turn);
        Ok(events)
    })
}

/// This thread of this process.
fn lane() -> (i64, i64) {
    (getpid().as_raw().into(), gettid().as_raw().into())
}

fn play_one(
    target: Target,
    role: &Role,
    connected: &mpsc::Sender<()>,
) -> Result<Vec<Event>> {
    let message = vec![b'.'; role.bytes];
    let mut reply = vec![0; role.bytes];
    let connects = now()?;
    let mut stream = target.connect()?;
    // The last client's message has no receiver any more, which is no error.
    let _ = connected.send(());
    let client = stream.local_addr()?.to_string();
    thread::sleep(Duration::from_millis(role.sends));
    let asked = now()?;
    stream.write_all(&message)?;
    stream.read_exact(&mut reply).context("no reply")?;
    let answered = now()?;
    stream.shutdown(Shutdown::Write)?;
    stream.read_to_end(&mut Vec::new())?;
    let (lane, took) = (lane(), answered - asked);
    Ok(vec![
        Event::naming("thread_name", lane, role.kind),
        Event::new("i", CONNECTS, lane, [connects, 0.0]).about(&client),
        Event::new("X", ASKED, lane, [asked, took]).about(&client),
    ])
}
