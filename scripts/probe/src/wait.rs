//! Waiting until a condition is true, never for time to pass.

use std::thread;
use std::time::{Duration, Instant};

/// How long anything may take before a case gives up. Generous: a loaded
/// machine is slow, and only a failure waits so long.
pub const LIMIT: Duration = Duration::from_secs(20);

/// Looks again and again until `look` finds something.
///
/// # Panics
///
/// After [`LIMIT`], with `what` was waited for.
pub fn until<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    within(LIMIT, look)
        .unwrap_or_else(|| panic!("waited {LIMIT:?} in vain until {what}"))
}

/// Waits until `done` is true.
///
/// # Panics
///
/// After [`LIMIT`], with `what` was waited for.
pub fn soon(what: &str, mut done: impl FnMut() -> bool) {
    until(what, || done().then_some(()));
}

/// Looks as [`until`] does, but for at most this time, and without a panic:
/// nothing, if it was not found in time.
pub fn within<T>(
    limit: Duration,
    mut look: impl FnMut() -> Option<T>,
) -> Option<T> {
    let begin = Instant::now();
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if begin.elapsed() > limit {
            return None;
        }
        thread::sleep(Duration::from_millis(2));
    }
}

/// Watches for a moment that something stays as it is.
///
/// # Panics
///
/// When `look` is false once, with `what` should have stayed.
pub fn stays(what: &str, mut look: impl FnMut() -> bool) {
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_millis(300) {
        assert!(look(), "it did not stay so: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}
