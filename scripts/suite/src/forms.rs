//! The ten forms of the three servers, their programs, and how a server of one
//! form is started and stopped.

use std::env;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;
use nix::unistd::Pid;
use probe::Kind::{self, Loop, Processes, Threads};
use probe::proc::{self, is_gone};
use probe::server::Server;
use probe::start::Start;
use probe::transcript::Totals;
use probe::wait::soon;

/// One form of a server: the options that all its tests are run with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    /// The first part of the names of its tests.
    pub name: &'static str,
    /// The server.
    pub kind: Kind,
    /// What makes this form of it, separated by spaces; nothing for the
    /// program as it is.
    pub options: &'static str,
    /// How many workers exist before the first client. Of threads and
    /// processes this number, not `--max-clients`, is how many clients are
    /// served at a time.
    pub workers: Option<usize>,
}

/// All forms. The pools have three workers, so that all can be kept busy: a
/// case that needs more asks for them by `room_for`.
pub const FORMS: [Form; 10] = [
    form("threads", Threads, "", None),
    form("threads-workers", Threads, "", Some(3)),
    form("process", Processes, "", None),
    form("process-workers", Processes, "", Some(3)),
    form("mux-select", Loop, "--backend select", None),
    form("mux-poll", Loop, "--backend poll", None),
    form("mux-epoll", Loop, "--backend epoll", None),
    form("mux-select-workers", Loop, "--backend select", Some(2)),
    form("mux-poll-workers", Loop, "--backend poll", Some(2)),
    form("mux-epoll-workers", Loop, "--backend epoll", Some(2)),
];

const fn form(
    name: &'static str,
    kind: Kind,
    options: &'static str,
    workers: Option<usize>,
) -> Form {
    Form { name, kind, options, workers }
}

/// The forms that are to be tested: all, or those that `SUITE_FORMS` names,
/// separated by commas.
pub fn chosen() -> impl Iterator<Item = &'static Form> {
    let names = env::var("SUITE_FORMS").ok();
    FORMS.iter().filter(move |form| {
        let mut names = names.iter().flat_map(|names| names.split(','));
        names.clone().next().is_none() || names.any(|name| name == form.name)
    })
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
    /// How it divides its work.
    pub fn approach(&self) -> Approach {
        match (self.kind, self.workers) {
            (Loop, None) => Approach::Loop,
            (Loop, Some(_)) => Approach::Loops,
            (_, None) => Approach::Each,
            (_, Some(_)) => Approach::Pool,
        }
    }

    /// As one would type it.
    pub fn command(&self) -> String {
        let workers = self.workers.map(|n| format!("--workers {n}"));
        let words = [self.kind.program(), self.options];
        let words = words.into_iter().map(str::to_owned).chain(workers);
        words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
    }

    /// Prepares a start with these options, separated by spaces, on a free
    /// port.
    pub fn start(&self, options: &str) -> Start {
        let program = directory().join(self.kind.program());
        let start = Start::new(&program, self.kind, self.workers);
        start.options(self.options).options(options)
    }

    /// Starts a server with these options and waits until it listens.
    pub fn run(&self, options: &str) -> Server {
        self.start(options).run()
    }
}

/// Asks a server to stop, which must be orderly.
pub fn end(server: &Server) {
    server.signal(Signal::SIGTERM);
    server.ends_with(0);
}

/// Asks a server to stop, which must be orderly and exact.
pub fn stop(server: &Server, clients: u64, bytes: u64) {
    server.signal(Signal::SIGTERM);
    stopped(server, clients, bytes);
}

/// Waits for the end of a server that was asked to stop, which must be orderly
/// and exact.
///
/// # Panics
///
/// When it is not.
pub fn stopped(server: &Server, clients: u64, bytes: u64) {
    let children = proc::children(server.pid);
    server.ends_with(0);
    let due = Totals { clients, received: bytes, sent: bytes };
    assert_eq!(server.summary(), due, "what came, and what is due");
    all_end(&children);
}

/// Waits until all of these processes have ended.
pub fn all_end(pids: &[Pid]) {
    soon("no process is left", || pids.iter().all(|&pid| is_gone(pid)));
}

/// Waits until another worker is there for one that was killed, so that there
/// are three again.
pub fn replaced(server: &Server, worker: Pid) {
    soon("the killed worker is replaced", || {
        let now = proc::children(server.pid);
        now.len() == 3 && !now.contains(&worker)
    });
}

/// Where cargo puts programs, the servers' like those of the tests:
/// `target/debug`, of a test in `target/debug/deps`.
fn directory() -> PathBuf {
    let here = env::current_exe().expect("a program knows where it is");
    here.ancestors().nth(2).expect("a test is in deps").to_owned()
}

/// Builds the servers like this program was built: cargo hands the programs
/// of a package to the tests of that package only.
///
/// # Panics
///
/// When they cannot be built.
pub fn build() {
    let target = directory();
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args(["build", "--quiet"])
        .args(["-p", "threads-server"])
        .args(["-p", "process-server"])
        .args(["-p", "mux-server"])
        .arg("--manifest-path")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .stdin(Stdio::null());
    if let Some(parent) = target.parent() {
        cargo.arg("--target-dir").arg(parent);
    }
    if target.ends_with("release") {
        cargo.arg("--release");
    }
    let status = cargo.status().expect("cargo can be started");
    assert!(status.success(), "the servers do not build");
}
