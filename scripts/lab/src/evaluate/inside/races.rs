//! Threads that share a total, and what the compiler says to it.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Barrier;
use std::sync::atomic::AtomicU64;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

/// Two threads that add to one variable without any synchronisation: in C
/// and in Python a program that runs, and miscounts. In Rust it is none:
///
#[doc = concat!("```compile_fail,E0499\n", include_str!("unsynchronised.rs"), "```")]
///
/// With an atomic addition in the place of `+=` it is one, and right:
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use std::thread;
///
/// let total = AtomicU64::new(0);
/// thread::scope(|scope| {
///     scope.spawn(|| total.fetch_add(1, Ordering::Relaxed));
///     scope.spawn(|| total.fetch_add(1, Ordering::Relaxed));
/// });
/// assert_eq!(total.into_inner(), 2);
/// ```
pub const UNSYNCHRONISED: &str = include_str!("unsynchronised.rs");

/// The compiler's code for this mistake: two mutable borrows at a time.
const REFUSAL: &str = "E0499";

/// Whether the compiler of this machine refuses [`UNSYNCHRONISED`], for this
/// very reason.
pub(super) fn compiler_refuses() -> Result<bool> {
    let mut compiler = Command::new("rustc")
        .args(["--edition", "2024", "--crate-type", "lib", "--crate-name"])
        .args(["unsynchronised", "--emit", "metadata", "-o", "/dev/null"])
        .arg("-")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context("running rustc")?;
    let (imports, body) = UNSYNCHRONISED
        .split_once("\n\n")
        .context("imports and body are apart")?;
    let mut source = compiler.stdin.take().context("no pipe")?;
    write!(source, "{imports}\npub fn run() {{\n{body}}}\n")?;
    drop(source);
    let output = compiler.wait_with_output()?;
    let text = String::from_utf8_lossy(&output.stderr);
    let refused = !output.status.success();
    ensure!(
        !refused || text.contains(REFUSAL),
        "rustc failed for another reason: {text}"
    );
    Ok(refused)
}

/// How long threads count together: long enough for both to be running at
/// some time, however busy the machine is.
const TOGETHER: Duration = Duration::from_millis(60);

/// The share of their counts that gets lost when so many threads count on
/// one total.
pub(super) fn lost_share(
    threads: usize,
    add: impl Fn(&AtomicU64) + Sync,
) -> f64 {
    const BATCH: u64 = 1000;
    let total = AtomicU64::new(0);
    let begin = Barrier::new(threads);
    let count = || {
        begin.wait();
        let end = Instant::now() + TOGETHER;
        let mut counted = 0;
        while Instant::now() < end {
            for _ in 0..BATCH {
                add(&total);
            }
            counted += BATCH;
        }
        counted
    };
    let counted: u64 = thread::scope(|scope| {
        let all: Vec<_> = (0..threads).map(|_| scope.spawn(count)).collect();
        let join = |thread: thread::ScopedJoinHandle<'_, u64>| {
            thread.join().expect("counting does not panic")
        };
        all.into_iter().map(join).sum()
    });
    let total = total.into_inner();
    (counted.saturating_sub(total)) as f64 / counted as f64
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;

    #[test]
    fn an_indivisible_addition_loses_nothing() {
        let add = |total: &AtomicU64| {
            total.fetch_add(1, Ordering::Relaxed);
        };
        assert!(lost_share(4, add) <= 0.0);
        // A counter that never counts loses all counts.
        assert!(lost_share(2, |_| ()) > 0.99);
    }
}
