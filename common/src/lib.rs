//! What the three servers share, and what a reader of one approach need not
//! read first.
//!
//! `echo.rs` is the second page that everybody reads, after a `main.rs`. Then
//! `listener.rs` and `stop.rs`; the rest is here to be looked up.

// One file each; the order of the alphabet, not that of reading.
pub mod closing;
pub mod console;
pub mod constants;
pub mod crash;
pub mod echo;
pub mod listener;
pub mod shutdown;
pub mod totals;

// What `main` returns, and what threads share.
use std::process::ExitCode;
use std::sync::Arc;

// What `run` puts together.
use console::errors::Failure;
use console::log::Log;
use console::options::{Options, Program};
use console::trace::Trace;
use listener::Listener;
use totals::Totals;

// Where there is no fork(2) the build ends here, with one clear sentence.
#[cfg(not(unix))]
compile_error!("these servers need fork and poll: on Windows, use WSL");

/// What every part of a server may look at, and none changes.
#[derive(Debug)]
pub struct Context {
    /// What the user asked for.
    pub options: Options,
    /// Where what happens is printed.
    pub log: Log,
    /// Where it is drawn from; `None` without `--trace`.
    pub trace: Option<Trace>,
}

impl Context {
    /// A server that does as the options say.
    ///
    /// # Errors
    ///
    /// `Failure::Trace` when the file of the trace cannot be opened.
    pub fn new(program: Program, options: Options) -> Result<Self, Failure> {
        // Everything is printed by it.
        let log = Log::new(program.name, options.language, options.quiet);
        // `map` and `transpose`: no file is fine, one that fails is not.
        let trace = options.trace.as_ref().map(|path| {
            Trace::open(program.name, path)
                .map_err(|error| Failure::Trace(path.clone(), error))
        });
        // Put together, to be shared and never changed.
        Ok(Self {
            trace: trace.transpose()?,
            log,
            options,
        })
    }
}

/// Runs a server: reads its options, listens, serves, prints the first and
/// the last line, and reports what failed. Returns the exit status.
pub fn run(
    program: Program,
    serve: impl FnOnce(&Arc<Context>, Listener) -> Result<Totals, Failure>,
) -> ExitCode {
    // Does not return if there is nothing to serve: `--help`, a mistake.
    let options = Options::from_environment(program);
    // Copied out, since the options are about to be moved.
    let language = options.language;
    // The only place where a server ends.
    match start(program, options, serve) {
        // For whoever has started it: all is well.
        Ok(()) => ExitCode::SUCCESS,
        // It could not start, or not go on.
        Err(failure) => {
            // A failure may come before there is a server to print it.
            let log = Log::new(program.name, language, true);
            // Some failures need no word: who has interrupted it knows.
            if let Some(message) = failure.message(language) {
                // One line on standard error.
                log.print_error(&message);
            }
            // For whoever has started it: a script, a service manager.
            ExitCode::from(failure.status())
        }
    }
}

/// Listens and serves until an orderly stop, and prints the last line.
fn start(
    program: Program,
    options: Options,
    serve: impl FnOnce(&Arc<Context>, Listener) -> Result<Totals, Failure>,
) -> Result<(), Failure> {
    // Before the first thread, and the first child.
    crash::restore()?;
    // `Arc`: threads share it, and none can know which is the last.
    let context = Arc::new(Context::new(program, options)?);
    // Without a listening socket there is nothing to serve.
    let listener = Listener::new(Arc::clone(&context))?;
    // The first line is printed in there, when clients may come.
    let totals = serve(&context, listener)?;
    // The last line.
    context.log.print_stopped(totals);
    // Everything has gone as it should.
    Ok(())
}
