//! What the three servers share, and what a reader of one approach need not
//! read first.
//!
//! `echo.rs` is the second page that everybody reads, after a `main.rs`. Then
//! `listener.rs` and `stop.rs`; the rest is here to be looked up.

pub mod constants;
pub mod echo;
pub mod failure;
pub mod language;
pub mod listener;
pub mod options;
pub mod stop;
pub mod totals;
pub mod transcript;

use std::process::ExitCode;
use std::sync::Arc;

use failure::Failure;
use listener::Listener;
use options::{Options, Program};
use totals::Totals;
use transcript::Transcript;

#[cfg(not(unix))]
compile_error!("these servers need fork and poll: on Windows, use WSL");

/// What every part of a server may look at, and none changes.
#[derive(Debug)]
pub struct Server {
    /// What the user asked for.
    pub options: Options,
    /// Where what happens is printed.
    pub transcript: Transcript,
}

/// Runs a server: reads its options, listens, serves, prints the first and
/// the last line, and reports what failed. Returns the exit status.
pub fn run(
    program: Program,
    serve: impl FnOnce(&Arc<Server>, Listener) -> Result<Totals, Failure>,
) -> ExitCode {
    let options = Options::from_environment(program);
    let language = options.language;
    let transcript = Transcript::new(program.name, language, options.quiet);
    let server = Arc::new(Server {
        options,
        transcript,
    });
    let result = Listener::new(Arc::clone(&server)).and_then(|listener| {
        server.transcript.listening(listener.address()?);
        serve(&server, listener)
    });
    match result {
        Ok(totals) => {
            server.transcript.stopped(totals);
            ExitCode::SUCCESS
        }
        Err(failure) => {
            if let Some(message) = failure.message(language) {
                server.transcript.complain(&message);
            }
            ExitCode::from(failure.status())
        }
    }
}
