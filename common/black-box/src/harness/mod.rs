//! What the cases are made of: servers, clients, and what the kernel knows
//! about both.
//!
//! A case of this suite panics when something is not as promised; whoever
//! collects results, as the fault matrix does, gets an [`Outcome`] from what
//! can fail there.

pub mod client;
pub mod lines;
pub mod proc;
pub mod server;
pub mod start;
pub mod strace;
pub mod trace;
pub mod transcript;
pub mod wait;

/// What a case has come to; the text says what was expected and what came.
pub type Outcome<T = ()> = Result<T, String>;

/// Fails with this text unless the condition holds.
///
/// # Errors
///
/// The text.
pub fn demand(condition: bool, text: impl FnOnce() -> String) -> Outcome {
    if condition { Ok(()) } else { Err(text()) }
}
