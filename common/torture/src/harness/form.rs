//! The nine forms of the three servers, and their programs.

use std::env;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use black_box::Kind::{Loop, Processes, Threads};
use black_box::Subject;
pub use black_box::{Approach, Form};

use crate::harness::Outcome;
use crate::harness::server::Server;

/// All forms: of the pools three workers, so that all can be kept busy.
pub const FORMS: [Form; 9] = [
    Form::new("threads", Threads, ""),
    Form::new("threads-workers", Threads, "").workers(3),
    Form::new("process", Processes, ""),
    Form::new("process-workers", Processes, "").workers(3),
    Form::new("mux-select", Loop, "--backend select"),
    Form::new("mux-poll", Loop, "--backend poll"),
    Form::new("mux-epoll", Loop, "--backend epoll"),
    Form::new("mux-poll-workers", Loop, "--backend poll").workers(2),
    Form::new("mux-epoll-workers", Loop, "--backend epoll").workers(2),
];

/// A form, as the program that was built here.
#[must_use]
pub fn subject(form: &Form) -> Subject {
    Subject { program: program(form.kind.program()), form: *form }
}

/// Starts a server in this form, with more options, on a free port.
///
/// # Errors
///
/// When it does not say that it listens.
pub fn start(form: &Form, options: &str) -> Outcome<Server> {
    subject(form).start(options).try_run()
}

/// The servers' programs, built once for each run: cargo names the programs of
/// a package to the tests of that package only.
///
/// # Panics
///
/// When they cannot be built.
fn program(name: &str) -> PathBuf {
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
