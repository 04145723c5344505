//! What the three servers share, and what a reader of one approach need not
//! read first.
//!
//! `echo.rs` is the second page that everybody reads, after a `main.rs`. Then
//! `listener.rs` and `stop.rs`; the rest is here to be looked up.

// One file each; the order of the alphabet, not that of reading.
pub mod constants;
pub mod echo;
pub mod failure;
pub mod language;
pub mod listener;
pub mod options;
pub mod stop;
pub mod totals;
pub mod transcript;

// What `main` returns, and what threads share.
use std::process::ExitCode;
use std::sync::Arc;

// What `run` puts together.
use failure::Failure;
use listener::Listener;
use options::{Options, Program};
use totals::Totals;
use transcript::Transcript;

// Where there is no fork(2) the build ends here, with one clear sentence.
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

impl Server {
    /// Reports a failure on standard error, if it still needs a word.
    pub fn complain(&self, failure: &Failure) {
        // One for all that is printed.
        let language = self.transcript.language();
        // Some failures have been reported where they happened.
        if let Some(message) = failure.message(language) {
            self.transcript.complain(&message);
        }
    }
}

/// Runs a server: reads its options, listens, serves, prints the first and
/// the last line, and reports what failed. Returns the exit status.
pub fn run(
    program: Program,
    serve: impl FnOnce(&Arc<Server>, Listener) -> Result<Totals, Failure>,
) -> ExitCode {
    // Does not return if there is nothing to serve: `--help`, a mistake.
    let options = Options::from_environment(program);
    // Copied out, since the options are about to be moved.
    let language = options.language;
    // From here on everything is printed by it.
    let transcript = Transcript::new(program.name, language, options.quiet);
    // `Arc`: threads share it, and none can know which is the last.
    let server = Arc::new(Server {
        options,
        transcript,
    });
    // `and_then`: without a listening socket there is nothing to serve.
    let result = Listener::new(Arc::clone(&server))
        .and_then(|listener| serve(&server, listener));
    // The only place where a server ends.
    match result {
        // An orderly stop.
        Ok(totals) => {
            // The last line.
            server.transcript.stopped(totals);
            // For whoever has started it: all is well.
            ExitCode::SUCCESS
        }
        // It could not start, or not go on.
        Err(failure) => {
            // One line on standard error.
            server.complain(&failure);
            // For whoever has started it: a script, a service manager.
            ExitCode::from(failure.status())
        }
    }
}
