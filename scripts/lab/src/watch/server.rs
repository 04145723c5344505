//! A server that is shown: its lines and the samples of the kernel go into
//! its model, each by a thread of its own.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use probe::proc::pid_of;

use super::kernel::{Held, Sampler};
use super::line::{Key, Worker};
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

/// A server, with the threads that read it.
#[derive(Debug)]
pub struct Server {
    child: Child,
    model: Arc<Mutex<Model>>,
    lines: JoinHandle<()>,
    ended: Arc<AtomicBool>,
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

        let model = Model::new(options.approach, options.is_pool());
        let model = Arc::new(Mutex::new(model));
        let ended = Arc::new(AtomicBool::new(false));
        let stdout = child.stdout.take();
        let told = Arc::clone(&model);
        let lines = thread::spawn(move || {
            for_each_line(stdout, |line| {
                lock(&told).line(line, clock.elapsed());
            });
        });
        let stderr = child.stderr.take();
        let told = Arc::clone(&model);
        thread::spawn(move || {
            for_each_line(stderr, |line| lock(&told).error(line));
        });
        let told = Arc::clone(&model);
        let over = Arc::clone(&ended);
        let pid = pid_of(&child);
        thread::spawn(move || sample(pid, &told, &over, clock));
        Ok(Self { child, model, lines, ended })
    }

    /// What is known of it now.
    pub fn model(&self) -> MutexGuard<'_, Model> {
        lock(&self.model)
    }

    /// Asks for an orderly stop; the second call asks for the end without
    /// waiting.
    pub fn stop(&self) {
        // The server may have ended already: then the signal reaches no
        // process.
        let _ = kill(pid_of(&self.child), Signal::SIGTERM);
    }

    /// How it has ended, once its last line has been read too.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        let status = self.child.try_wait().ok()??;
        self.ended.store(true, Ordering::Relaxed);
        // Children of a parent that was killed hold its output open.
        (self.lines.is_finished() || status.signal().is_some())
            .then_some(status)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        // Only where the view itself gives up, by an error or a panic.
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            end(&mut self.child);
        }
    }
}

/// What a thread that has panicked has left is still good enough to draw.
pub(super) fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads until the end; what is not UTF-8 is shown as such.
fn for_each_line(input: Option<impl Read>, mut tell: impl FnMut(&str)) {
    let Some(input) = input else {
        return;
    };
    let mut input = BufReader::new(input);
    let mut line = Vec::new();
    loop {
        line.clear();
        let mut limited = input.by_ref().take(LONGEST);
        match limited.read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => {
                let text = String::from_utf8_lossy(&line);
                tell(text.strip_suffix('\n').unwrap_or(&text));
            }
        }
    }
}

/// Samples the kernel until the server has ended.
fn sample(root: Pid, model: &Mutex<Model>, ended: &AtomicBool, clock: Instant) {
    let mut sampler = Sampler::new(root);
    let mut held = Held::default();
    let mut workers: Vec<Worker> = Vec::new();
    for turn in 0u32.. {
        if ended.load(Ordering::Relaxed) {
            return;
        }
        let (port, pool, rows) = {
            let model = lock(model);
            (model.address.map(|it| it.port()), model.pool, wanted(&model))
        };
        if turn % HELD == 0 {
            held = sampler.held();
            if pool {
                workers = sampler.workers();
            }
        }
        let at = clock.elapsed();
        let tasks = sampler.tasks(&rows);
        // Without an answer of the kernel the lanes are drawn by lines alone.
        let sockets = port.and_then(|port| sampler.sockets(port, at).ok());
        let mut sample = sockets.unwrap_or_default();
        sample.at = at;
        sample.held = held;
        let mut model = lock(model);
        if model.address.is_some() {
            model.workers(&workers, at);
        }
        workers.clear();
        model.observe(sample, tasks);
        drop(model);
        thread::sleep(SAMPLE);
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
