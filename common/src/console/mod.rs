//! What the user sees and types: options, languages, printed lines, errors,
//! traces. Nothing in this folder sends to a client or receives from one.
//!
//! A reader of the servers need not read it; each file is here to be looked
//! up.

// Each module is one subject, to be looked up by its name.
pub mod addresses;
pub mod errors;
pub mod escape;
pub mod language;
pub mod log;
pub mod observer;
pub mod options;
pub mod output;
pub mod trace;

// What a context is made of.
use errors::Failure;
use log::Log;
use options::{Options, Program};
use trace::Trace;

/// What every part of a server may read, and no part changes.
#[derive(Debug)]
pub struct Context {
    /// What the user asked for.
    pub options: Options,
    /// Prints what happens.
    pub log: Log,
    /// Writes down what happens when; `None` without `--trace`.
    pub trace: Option<Trace>,
}

impl Context {
    /// The context of a server with these options.
    ///
    /// # Errors
    ///
    /// `Failure::Trace` when the file of the trace cannot be opened.
    pub fn new(program: Program, options: Options) -> Result<Self, Failure> {
        let log = Log::new(program.name, options.language, options.quiet)
            .with_color(options.color);
        // A trace that cannot be opened ends the server before it listens.
        let trace = options.trace.as_ref().map(|path| {
            Trace::open(program.name, path)
                .map_err(|error| Failure::Trace(path.clone(), error))
        });
        Ok(Self { trace: trace.transpose()?, log, options })
    }
}
