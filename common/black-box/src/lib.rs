//! The servers as their user meets them: each is started as a program on a
//! free port, talked to through sockets, signalled, and read.
//!
//! The same cases run against all three servers and all their forms, so that
//! what a case says holds for each of them. It is an independent reading of
//! the contract: nothing here is shared with the servers' own code.
//!
//! - [`contract`] is the table: every promise, and the cases that test it.
//! - `cases` are the tests, by theme.
//! - `harness` starts, watches and ends a server, and plays its clients.
//!
//! A server's own test file is one call of [`run`].

mod case;
mod cases;
pub mod contract;
mod harness;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Trial};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

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
    fn program(self) -> &'static str {
        match self {
            Self::Threads => "threads-server",
            Self::Processes => "process-server",
            Self::Loop => "mux-server",
        }
    }
}

/// One form of a server: options that every case is run with.
#[derive(Clone, Debug)]
pub struct Variant {
    name: &'static str,
    options: &'static str,
    workers: Option<usize>,
}

impl Variant {
    /// A form of the server with these options (separated by spaces; none is
    /// the program as it is). The name stands before each case's name.
    #[must_use]
    pub const fn new(name: &'static str, options: &'static str) -> Self {
        Self {
            name,
            options,
            workers: None,
        }
    }

    /// The same with this many workers that exist before the first client.
    ///
    /// The cases then know that of threads and processes the number of
    /// workers, not `--max-clients`, says how many are served at a time.
    #[must_use]
    pub const fn workers(self, workers: usize) -> Self {
        Self {
            workers: Some(workers),
            ..self
        }
    }
}

/// What a case is given: a program, and the form to run it in.
#[derive(Clone, Debug)]
struct Subject {
    program: PathBuf,
    kind: Kind,
    variant: Variant,
}

impl Subject {
    /// Prepares a start with these options, separated by spaces.
    fn start(&self, options: &str) -> Start<'_> {
        Start::new(self).options(options)
    }

    /// Starts a server with these options and waits until it listens.
    fn run(&self, options: &str) -> harness::server::Server {
        self.start(options).run()
    }
}

/// Runs every case against each variant of the program: the `main` of a test
/// file. Understands the arguments that `cargo test` hands on.
///
/// A case for which this machine lacks something is reported as ignored, with
/// the reason; with `BLACK_BOX_SKIP=never` in the environment it fails.
#[must_use]
pub fn run(program: &str, kind: Kind, variants: &[Variant]) -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Most of a case's time is spent waiting, so more run than there are
    // cores; the slow ones begin first.
    if arguments.test_threads.is_none() {
        arguments.test_threads = Some(8);
    }
    raise_descriptor_limit();
    let mut slow = Vec::new();
    let mut quick = Vec::new();
    for variant in variants {
        let subject = Arc::new(Subject {
            program: Path::new(program).to_path_buf(),
            kind,
            variant: variant.clone(),
        });
        for case in cases::all() {
            if !case.concerns(&subject) {
                continue;
            }
            let name = format!("{}::{}", variant.name, case.name);
            let subject = Arc::clone(&subject);
            let trial = Trial::ignorable_test(name, move || case.run(&subject));
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

/// Cases with a thousand clients need as many descriptors in this process.
fn raise_descriptor_limit() {
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        // Where it cannot be raised, those cases say so themselves.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard.min(8192), hard);
    }
}
