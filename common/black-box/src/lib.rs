//! The servers as their user meets them: each is started as a program on a
//! free port, talked to through sockets, signalled, and read.
//!
//! The same cases run against all three servers and all their forms, so that
//! what a case says holds for each of them. It is an independent reading of
//! the contract: nothing here is shared with the servers' own code.
//!
//! - [`contract`] is the table: every promise, and the cases that test it.
//! - `cases` are the tests, by theme.
//! - [`harness`] starts, watches and ends a server, and plays its clients;
//!   what tortures the servers (`torture`) stands on it too.
//!
//! A server's own test file is one call of [`run`].

#[allow(clippy::must_use_candidate, reason = "a count may be looked at")]
pub mod allocations;
mod case;
mod cases;
pub mod contract;
#[allow(
    clippy::must_use_candidate,
    clippy::return_self_not_must_use,
    clippy::missing_errors_doc,
    reason = "a case may wait for something without wanting it, and an error \
              says by itself what was waited for"
)]
pub mod harness;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use case::Case;
use harness::start::Start;

/// How a server serves many clients at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A thread for each connection: `threads-server`.
    Threads,
    /// A process for each connection: `process-server`.
    Processes,
    /// One loop for all connections: `mux-server`.
    Loop,
}

impl Kind {
    /// The name of the program, as it prints it.
    #[must_use]
    pub fn program(self) -> &'static str {
        match self {
            Self::Threads => "threads-server",
            Self::Processes => "process-server",
            Self::Loop => "mux-server",
        }
    }
}

/// One form of a server: options that every case is run with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    /// The first part of the names of its cases.
    pub name: &'static str,
    /// Which server it is a form of.
    pub kind: Kind,
    /// What makes this form of it, separated by spaces; nothing for the
    /// program as it is.
    pub options: &'static str,
    /// How many workers exist before the first client.
    pub workers: Option<usize>,
}

/// How a server has divided its work among threads or processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Approach {
    /// A thread or a process is created for each client.
    Each,
    /// Threads or processes wait for clients.
    Pool,
    /// One loop serves all.
    Loop,
    /// Several loops share all.
    Loops,
}

impl Form {
    /// A form of the server with these options.
    #[must_use]
    pub const fn new(
        name: &'static str,
        kind: Kind,
        options: &'static str,
    ) -> Self {
        Self { name, kind, options, workers: None }
    }

    /// The same with this many workers that exist before the first client.
    ///
    /// The cases then know that of threads and processes the number of
    /// workers, not `--max-clients`, says how many are served at a time.
    #[must_use]
    pub const fn workers(self, workers: usize) -> Self {
        Self { workers: Some(workers), ..self }
    }

    /// How it divides its work.
    #[must_use]
    pub fn approach(&self) -> Approach {
        match (self.kind, self.workers) {
            (Kind::Loop, None) => Approach::Loop,
            (Kind::Loop, Some(_)) => Approach::Loops,
            (_, None) => Approach::Each,
            (_, Some(_)) => Approach::Pool,
        }
    }

    /// As one would type it.
    #[must_use]
    pub fn command(&self) -> String {
        let workers = self.workers.map(|n| format!("--workers {n}"));
        let words = [self.kind.program(), self.options];
        let words = words.into_iter().map(str::to_owned).chain(workers);
        words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
    }
}

/// What a case is given: a program, and the form to run it in.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Where the program is.
    pub program: PathBuf,
    /// Its form.
    pub form: Form,
}

impl Subject {
    /// Prepares a start with these options, separated by spaces.
    #[must_use]
    pub fn start(&self, options: &str) -> Start {
        Start::new(self).options(options)
    }

    /// Starts a server with these options and waits until it listens.
    #[must_use]
    pub fn run(&self, options: &str) -> harness::server::Server {
        self.start(options).run()
    }
}

/// Runs every case against each form of the program: the `main` of a test
/// file. Understands the arguments that `cargo test` hands on.
///
/// A case for which this machine lacks something is reported as ignored, with
/// the reason; with `BLACK_BOX_SKIP=never` in the environment it fails.
///
/// For many runs, as of cargo-mutants: `BLACK_BOX_FORMS=poll,epoll` leaves the
/// other forms out, and `BLACK_BOX_FAIL_FAST=yes` all that has not begun when
/// a case fails.
#[must_use]
pub fn run(program: &str, forms: &[Form]) -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Most of a case's time is spent waiting, so more run than there are
    // cores; the slow ones begin first.
    if arguments.test_threads.is_none() {
        arguments.test_threads = Some(8);
    }
    raise_descriptor_limit();
    let mut slow = Vec::new();
    let mut quick = Vec::new();
    let chosen = std::env::var("BLACK_BOX_FORMS").ok();
    let chosen = |form: &&Form| {
        let mut names = chosen.iter().flat_map(|names| names.split(','));
        chosen.is_none() || names.any(|name| name == form.name)
    };
    for form in forms.iter().filter(chosen) {
        let subject = Arc::new(Subject {
            program: Path::new(program).to_path_buf(),
            form: *form,
        });
        for case in cases::all() {
            if !case.concerns(&subject) {
                continue;
            }
            let name = format!("{}::{}", form.name, case.name);
            let subject = Arc::clone(&subject);
            let trial = Trial::ignorable_test(name, move || {
                unless_over(case, &subject)
            });
            if case.is_slow() {
                slow.push(trial);
            } else {
                quick.push(trial);
            }
        }
    }
    slow.append(&mut quick);
    libtest_mimic::run(&arguments, slow).exit_code()
}

/// Runs a case, unless one has failed already and that is enough.
fn unless_over(case: Case, subject: &Subject) -> Result<Completion, Failed> {
    static OVER: AtomicBool = AtomicBool::new(false);
    if OVER.load(Ordering::Relaxed) {
        return Ok(Completion::ignored_with("another case has failed"));
    }
    let result = catch_unwind(AssertUnwindSafe(|| case.run(subject)));
    if !matches!(result, Ok(Ok(_))) {
        let enough = std::env::var_os("BLACK_BOX_FAIL_FAST").is_some();
        OVER.store(enough, Ordering::Relaxed);
    }
    result.unwrap_or_else(|panic| resume_unwind(panic))
}

/// Cases with a thousand clients need as many descriptors in this process.
fn raise_descriptor_limit() {
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        // Where it cannot be raised, those cases say so themselves.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard.min(8192), hard);
    }
}
