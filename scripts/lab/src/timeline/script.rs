//! The run that is drawn: four servers, one after the other, each with the
//! same four clients: one that is slow to send, two that are fast, and one
//! whose message takes long to compute.

use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::{getpid, gettid};

use super::trace::{ASKED, CLIENTS, CONNECTS, Details, Event};
use crate::catalogue::Catalogue;
use crate::load::Target;
use crate::program::{Announces, Server, Unavailable};

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
    /// When it connects, milliseconds after the first.
    connects: u64,
    /// When it sends, milliseconds after it has connected.
    sends: u64,
    /// How much.
    bytes: usize,
}

const ROLES: [Role; 4] = [
    Role {
        kind: "slow",
        connects: 0,
        sends: 70,
        bytes: SHORT,
    },
    Role {
        kind: "fast",
        connects: 4,
        sends: 0,
        bytes: SHORT,
    },
    Role {
        kind: "computes",
        connects: 8,
        sends: 0,
        bytes: LONG,
    },
    Role {
        kind: "fast",
        connects: 12,
        sends: 0,
        bytes: SHORT,
    },
];

/// Runs the four servers and returns the files with their traces, the one
/// that serves one after the other first.
///
/// # Errors
///
/// When a server does not start, or a client is not served.
pub fn run(catalogue: &Catalogue, directory: &Path) -> Result<Vec<PathBuf>> {
    fs::create_dir_all(directory)
        .with_context(|| format!("creating {}", directory.display()))?;
    let mut files = Vec::new();
    for (name, package, most) in [
        ("one-after-the-other", "threads-server", "1"),
        ("threads", "threads-server", "64"),
        ("processes", "process-server", "64"),
        ("loop", "mux-server", "64"),
    ] {
        let file = directory.join(format!("{name}.json"));
        if file.exists() {
            fs::remove_file(&file)
                .with_context(|| format!("removing {}", file.display()))?;
        }
        let program = catalogue.server(package).context("not built")?;
        let mut command = Command::new(program);
        command
            .args(["--port", "0", "--quiet", "--serve", "until-eof"])
            .args(["--language", "en", "--max-clients", most])
            .args(["--cpu-work", WORK, "--trace"])
            .arg(&file);
        let server = Server::start(command, Announces::FirstLine)
            .map_err(|why: Unavailable| anyhow!("{package}: {why}"))?;
        warm_up(server.target())?;
        // What has been traced so far is not to be drawn.
        let before = fs::metadata(&file).map_or(0, |it| it.len());
        let events = play(server.target())?;
        drop(server);
        keep(&file, before, &events)?;
        files.push(file);
    }
    Ok(files)
}

/// One client beforehand: the first one of a program is slower than others.
fn warm_up(target: Target) -> Result<()> {
    let mut stream = connect(target)?;
    stream.write_all(b"here\n")?;
    stream.shutdown(Shutdown::Write)?;
    stream.read_to_end(&mut Vec::new())?;
    // Its last line is written a moment after it has been closed.
    thread::sleep(Duration::from_millis(100));
    Ok(())
}

/// Leaves out what was traced before, and adds the clients' own events.
fn keep(file: &Path, before: u64, events: &[Event]) -> Result<()> {
    let context = || format!("the trace {}", file.display());
    let text = fs::read_to_string(file).with_context(context)?;
    let new = usize::try_from(before)
        .ok()
        .and_then(|before| text.get(before..))
        .with_context(context)?;
    let mut lines = format!("[\n{}", new.trim_start_matches("[\n"));
    for event in events {
        lines += &serde_json::to_string(event)?;
        lines += ",\n";
    }
    let mut out = OpenOptions::new()
        .write(true)
        .truncate(true)
        .open(file)
        .with_context(context)?;
    out.write_all(lines.as_bytes()).with_context(context)
}

fn connect(target: Target) -> Result<TcpStream> {
    let stream = TcpStream::connect(target.address())
        .with_context(|| format!("connecting to {target}"))?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Microseconds of the clock that the servers' traces are written by.
fn now() -> Result<f64> {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC)?;
    Ok(Duration::from(now).as_secs_f64() * 1e6)
}

/// Plays all four clients and returns what they saw.
fn play(target: Target) -> Result<Vec<Event>> {
    thread::scope(|scope| {
        let clients: Vec<_> = ROLES
            .iter()
            .map(|role| scope.spawn(move || play_one(target, role)))
            .collect();
        let mut events = vec![Event {
            name: "process_name".into(),
            args: named(CLIENTS),
            ..event("M", 0.0)
        }];
        for client in clients {
            events.extend(
                client.join().map_err(|_| anyhow!("a client panicked"))??,
            );
        }
        Ok(events)
    })
}

fn named(name: &str) -> Details {
    Details {
        name: Some(name.to_owned()),
        client: None,
    }
}

fn event(ph: &str, ts: f64) -> Event {
    Event {
        ph: ph.into(),
        ts,
        pid: getpid().as_raw().into(),
        tid: gettid().as_raw().into(),
        ..Event::default()
    }
}

fn play_one(target: Target, role: &Role) -> Result<Vec<Event>> {
    let message = vec![b'.'; role.bytes];
    let mut reply = vec![0; role.bytes];
    thread::sleep(Duration::from_millis(role.connects));
    let connects = now()?;
    let mut stream = connect(target)?;
    let client = Details {
        client: Some(stream.local_addr()?.to_string()),
        name: None,
    };
    thread::sleep(Duration::from_millis(role.sends));
    let asked = now()?;
    stream.write_all(&message)?;
    stream.read_exact(&mut reply).context("no reply")?;
    let answered = now()?;
    stream.shutdown(Shutdown::Write)?;
    stream.read_to_end(&mut Vec::new())?;
    Ok(vec![
        Event {
            name: "thread_name".into(),
            args: named(role.kind),
            ..event("M", 0.0)
        },
        Event {
            name: CONNECTS.into(),
            args: client.clone(),
            ..event("i", connects)
        },
        Event {
            name: ASKED.into(),
            dur: answered - asked,
            args: client,
            ..event("X", asked)
        },
    ])
}
