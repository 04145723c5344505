//! What every case needs: a server started as its user starts it, clients
//! that count, a look into /proc, and a system call that fails on demand.

pub mod client;
pub mod form;
pub mod lines;
pub mod proc;
pub mod server;
pub mod strace;

use std::io::{self, Write as _};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long anything may take that must come at all. Generous: a machine may
/// be busy, and only a failed case ever waits for so long.
pub const LIMIT: Duration = Duration::from_secs(10);

/// What a case has come to; the text says what was expected and what came.
pub type Outcome<T = ()> = Result<T, String>;

/// Waits until this yields something, where nobody sends an event: the state
/// of a process is to be had by looking only.
pub fn until<T>(mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + LIMIT;
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if Instant::now() >= end {
            return None;
        }
        sleep(Duration::from_millis(2));
    }
}

/// Says that something is not tried, for want of something: so that nobody
/// takes the silence for success, past the test harness, which would keep it
/// to itself.
pub fn skip(want: &str, what: &str) {
    writeln!(
        io::stderr(),
        "\nSKIPPED, for want of a usable {want}: {what}"
    )
    .ok();
}

/// Fails with this text unless the condition holds.
///
/// # Errors
///
/// The text.
pub fn demand(condition: bool, text: impl FnOnce() -> String) -> Outcome {
    if condition { Ok(()) } else { Err(text()) }
}
