//! What the user sees and types: options, languages, printed lines, errors,
//! traces. Nothing in this room knows about sockets.
//!
//! A reader of the servers need not read it; each file is here to be looked
//! up.

pub mod errors;
pub mod language;
pub mod log;
pub mod observer;
pub mod options;
pub mod trace;
