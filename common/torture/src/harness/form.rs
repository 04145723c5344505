//! The nine forms of the three servers, and their programs.

use std::env;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// A server and how it is to serve.
#[derive(Debug, PartialEq, Eq)]
pub struct Form {
    /// The first part of a case's name.
    pub name: &'static str,
    /// The program.
    pub program: &'static str,
    /// What makes this form of it.
    pub options: &'static [&'static str],
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

/// All forms.
pub const FORMS: [Form; 9] = [
    form("threads", "threads-server", &[]),
    form("threads-workers", "threads-server", &["--workers", "3"]),
    form("process", "process-server", &[]),
    form("process-workers", "process-server", &["--workers", "3"]),
    form("mux-select", "mux-server", &["--backend", "select"]),
    form("mux-poll", "mux-server", &["--backend", "poll"]),
    form("mux-epoll", "mux-server", &["--backend", "epoll"]),
    form(
        "mux-poll-workers",
        "mux-server",
        &["--backend", "poll", "--workers", "2"],
    ),
    form(
        "mux-epoll-workers",
        "mux-server",
        &["--backend", "epoll", "--workers", "2"],
    ),
];

const fn form(
    name: &'static str,
    program: &'static str,
    options: &'static [&'static str],
) -> Form {
    Form {
        name,
        program,
        options,
    }
}

impl Form {
    /// How it divides its work.
    #[must_use]
    pub fn approach(&self) -> Approach {
        let pool = self.name.ends_with("-workers");
        match (self.program, pool) {
            ("mux-server", false) => Approach::Loop,
            ("mux-server", true) => Approach::Loops,
            (_, false) => Approach::Each,
            (_, true) => Approach::Pool,
        }
    }

    /// Whether a thread or process of its blocks in a call for its client.
    #[must_use]
    pub fn blocks(&self) -> bool {
        self.program != "mux-server"
    }

    /// As one would type it.
    #[must_use]
    pub fn command(&self) -> String {
        [&[self.program], self.options].concat().join(" ")
    }
}

/// The servers' programs, built once for each run: cargo names the programs of
/// a package to the tests of that package only.
///
/// # Panics
///
/// When they cannot be built.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    DIRECTORY.get_or_init(build).join(name)
}

/// Builds the servers like this program was built; returns where they are.
fn build() -> PathBuf {
    let here = env::current_exe().expect("a program knows where it is");
    let here = here.ancestors();
    // target/debug/deps/slice-0123, or target/debug/torture
    let target = here
        .skip(1)
        .find(|directory| !directory.ends_with("deps"))
        .expect("a program is in a directory");
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
    target.to_path_buf()
}
