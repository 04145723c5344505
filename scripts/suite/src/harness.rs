//! What the tests need of the probe, and how long they wait.

use std::io::{self, Write as _};
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

/// Measures up to three times whether something is done within this time: a
/// busy machine may take its own, but not each time.
///
/// # Errors
///
/// When it is not, or something else goes wrong.
pub fn soon_enough(
    bound: Duration,
    mut measure: impl FnMut() -> Outcome<Duration>,
) -> Outcome {
    let mut times = Vec::new();
    for _ in 0..3 {
        times.push(measure()?);
        if times.last().is_some_and(|time| *time < bound) {
            return Ok(());
        }
    }
    Err(format!("it takes {times:?}, not less than {bound:?}"))
}

/// Says that something is not tried, for want of something: so that nobody
/// takes the silence for success, past the test harness, which would keep it
/// to itself.
pub fn skip(want: &str, what: &str) {
    writeln!(io::stderr(), "\nSKIPPED, for want of a usable {want}: {what}")
        .ok();
}
