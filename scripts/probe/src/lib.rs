//! What starts a server and looks at it from outside: its lines, what the
//! kernel knows of it, its system calls, its trace file; and a client.
//!
//! Nothing here is shared with the servers' own code: what they print is read
//! back by a parser of its own ([`transcript`]).
//!
//! What does not come to pass is a panic, with what was expected and what came.

#![allow(
    clippy::missing_errors_doc,
    reason = "an error says by itself what was waited for"
)]

use std::process::{Command, Stdio};

pub mod client;
pub mod folder;
pub mod lines;
pub mod proc;
pub mod server;
pub mod start;
pub mod strace;
pub mod trace;
pub mod transcript;
pub mod wait;

/// Whether a command line, whose words are separated by spaces, runs and
/// succeeds.
pub fn works(line: &str) -> bool {
    let mut words = line.split(' ');
    let mut command = Command::new(words.next().unwrap_or_default());
    command.args(words).stdin(Stdio::null()).stdout(Stdio::null());
    command.stderr(Stdio::null()).status().is_ok_and(|it| it.success())
}

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
    /// The name of the program, as the program prints it.
    pub fn program(self) -> &'static str {
        match self {
            Self::Threads => "threads-server",
            Self::Processes => "process-server",
            Self::Loop => "mux-server",
        }
    }
}
