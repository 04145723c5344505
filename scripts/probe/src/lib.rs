//! What starts a server and looks at it from outside: its lines, what the
//! kernel knows of it, its system calls, its trace file; and a client.
//!
//! Nothing here is shared with the servers' own code: what they print is read
//! back by a parser of its own ([`transcript`]).
//!
//! A function that panics is for a test that ends there. A function that
//! returns an [`Outcome`] is for a test that says more about the failure.

#![allow(
    clippy::must_use_candidate,
    clippy::return_self_not_must_use,
    clippy::missing_errors_doc,
    reason = "a test may wait for something without wanting it, and an error \
              says by itself what was waited for"
)]

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

/// What a test has come to; the text says what was expected and what came.
pub type Outcome<T = ()> = Result<T, String>;

/// Fails with this text unless the condition holds.
///
/// # Errors
///
/// The text.
pub fn demand(condition: bool, text: impl FnOnce() -> String) -> Outcome {
    if condition { Ok(()) } else { Err(text()) }
}
