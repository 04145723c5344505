//! A server that is shown: its lines, each read at once by a thread of its
//! own, and the samples of the kernel go into a model.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill};
use probe::proc::pid_of;

use super::kernel::{Sampler, sockets};
use super::line::Key;
use super::model::{Model, Row};
use super::options::Options;
use crate::language::Language;
use crate::program::{end, spawn};

/// How often the kernel is asked.
const SAMPLE: Duration = Duration::from_millis(100);
/// Readings that cost more are taken only once in so many samples.
const HELD: u32 = 10;
/// Rows whose threads are looked at: more than a screen has.
const ROWS: usize = 64;
/// The longest line that is read; a server of ours prints none of 4096 bytes.
const LONGEST: u64 = 16 * 1024;
/// Lines that may wait; when there are more, the server waits.
const WAITING: usize = 10_000;
/// The oldest that any window can show: the longest column, 300 times.
const OLDEST: Duration = Duration::from_secs(600);

/// A line that a server has printed.
struct Told {
    at: Duration,
    error: bool,
    text: String,
}

/// A server, with what reads it.
#[derive(Debug)]
pub struct Server {
    child: Child,
    clock: Instant,
    lines: Receiver<Told>,
    sampler: Sampler,
    /// How many samples were taken, and when the next one is due.
    samples: u32,
    due: Duration,
}

impl Server {
    /// Starts a server. Times count from `clock`.
    ///
    /// # Errors
    ///
    /// When the program cannot be started.
    pub fn start(
        program: &Path,
        options: &Options,
        language: Language,
        clock: Instant,
    ) -> Result<Self> {
        let code = language.pick("en", "es");
        let mut command = Command::new(program);
        command
            .args(options.arguments(code))
            // These would leave out lines, or change their form.
            .env_remove("ECHO_QUIET")
            .env_remove("ECHO_COLOR");
        // In a process group of its own Ctrl-C reaches this program as a key,
        // and never the server. A server whose view was killed stops in order
        // by itself.
        let mut child = spawn(&mut command, Signal::SIGTERM)
            .with_context(|| format!("starting {}", program.display()))?;
        let (teller, lines) = sync_channel(WAITING);
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let told = teller.clone();
        thread::spawn(move || read(stdout, false, clock, &told));
        thread::spawn(move || read(stderr, true, clock, &teller));
        let sampler = Sampler::new(pid_of(&child));
        let due = Duration::ZERO;
        Ok(Self { child, clock, lines, sampler, samples: 0, due })
    }

    /// Asks for an orderly stop; the second call asks for the end without
    /// waiting.
    pub fn stop(&self) {
        // The server may have ended already: then the signal reaches no
        // process.
        let _ = kill(pid_of(&self.child), Signal::SIGTERM);
    }

    /// Takes in what is new; how the server has ended, once its last line has
    /// been taken in too.
    pub fn update(&mut self, model: &mut Model) -> Option<ExitStatus> {
        let status = self.child.try_wait().ok().flatten();
        // Of a line that is read from here on, the next sample knows nothing.
        let now = self.clock.elapsed();
        let mut is_all = false;
        for _ in 0..WAITING {
            match self.lines.try_recv() {
                Ok(Told { text, error: true, .. }) => model.error(&text),
                Ok(Told { text, at, .. }) => model.line(&text, at),
                Err(error) => {
                    is_all = error == TryRecvError::Disconnected;
                    break;
                }
            }
        }
        if status.is_none() && now >= self.due {
            self.sample(model, now);
        }
        // Children of a parent that was killed hold its output open.
        status.filter(|status| is_all || status.signal().is_some())
    }

    /// Asks the kernel.
    fn sample(&mut self, model: &mut Model, now: Duration) {
        // Without an answer of the kernel the lanes are drawn by lines alone.
        let sockets = model.address.map(|it| sockets(it.port()));
        let sockets = sockets.and_then(Result::ok);
        let mut sample = sockets.unwrap_or_default();
        sample.at = now;
        sample.held = model.sample.held;
        if self.samples.is_multiple_of(HELD) {
            sample.held = self.sampler.held();
            if model.pool && model.address.is_some() {
                model.workers(&self.sampler.workers(), now);
            }
            model.forget(now.saturating_sub(OLDEST));
        }
        let tasks = self.sampler.tasks(&wanted(model));
        model.observe(sample, tasks);
        self.samples += 1;
        self.due = now + SAMPLE;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Only where the view itself gives up, by an error or a panic.
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            end(&mut self.child);
        }
    }
}

/// Reads until the end; what is not UTF-8 is shown as such.
fn read(
    input: Option<impl Read>,
    error: bool,
    clock: Instant,
    teller: &SyncSender<Told>,
) {
    let Some(input) = input else {
        return;
    };
    let mut input = BufReader::new(input);
    let mut line = Vec::new();
    while input
        .by_ref()
        .take(LONGEST)
        .read_until(b'\n', &mut line)
        .is_ok_and(|length| length > 0)
    {
        let at = clock.elapsed();
        let text = String::from_utf8_lossy(&line);
        let text = text.strip_suffix('\n').unwrap_or(&text).to_owned();
        // Where the view has ended, nothing is told any more.
        if teller.send(Told { at, error, text }).is_err() {
            return;
        }
        line.clear();
    }
}

/// The rows whose threads or processes are looked at: main thread, loops, and
/// of the others the newest that live.
fn wanted(model: &Model) -> Vec<Key> {
    let is_task = |row: &&Row| {
        row.state.is_some() && matches!(row.key, Key::Main | Key::Worker(_))
    };
    let mut keys: Vec<Key> =
        model.rows().filter(is_task).map(|row| row.key).collect();
    if keys.len() > ROWS {
        keys.drain(1..=keys.len() - ROWS);
    }
    keys
}
