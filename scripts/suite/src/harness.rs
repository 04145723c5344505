//! What the tests need of the probe, and how long they wait.

use std::time::Duration;

pub use probe::wait::LIMIT;
use probe::wait::within;
pub use probe::{Outcome, demand, proc, server, strace};

/// For how long a server that nobody wants anything from is watched.
pub const MOMENT: Duration = Duration::from_millis(100);

/// Waits until this yields something, where nobody sends an event: the state
/// of a process is to be had by looking only.
pub fn until<T>(look: impl FnMut() -> Option<T>) -> Option<T> {
    within(LIMIT, look)
}
