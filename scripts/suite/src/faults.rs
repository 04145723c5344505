//! The fault matrix: every system call on the path of service, every error
//! that the outside can cause there, at its first, second and third call.
//!
//! `table` says what there is to try and what must come of it, `run` tries it
//! on a real server, `census` sees to it that the table leaves nothing out,
//! `report` writes the result down.

pub mod balance;
pub mod census;
pub mod report;
pub mod run;
pub mod table;

use std::sync::Mutex;
use std::sync::PoisonError;
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::Outcome;
use table::Case;

/// A case and what it has come to.
#[derive(Debug)]
pub struct Result {
    /// The case.
    pub case: Case,
    /// Whether the server has survived, and if not, what was seen.
    pub outcome: Outcome,
    /// How long it took.
    pub time: Duration,
}

/// Runs cases, a few at a time, and returns their results in their order.
#[must_use]
pub fn run_all(cases: Vec<Case>, tell: impl Fn(&Result) + Sync) -> Vec<Result> {
    // Most of a case is waiting, for a pause of the server's or for strace.
    let lanes = thread::available_parallelism().map_or(2, |n| 2 * n.get());
    let queue = Mutex::new(cases.into_iter().enumerate());
    let results = Mutex::new(Vec::new());
    let next = || {
        let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.next()
    };
    thread::scope(|scope| {
        for _ in 0..lanes.min(4) {
            scope.spawn(|| {
                while let Some((number, case)) = next() {
                    let start = Instant::now();
                    let outcome = run::run(&case);
                    let time = start.elapsed();
                    let result = Result { case, outcome, time };
                    tell(&result);
                    let mut results =
                        results.lock().unwrap_or_else(PoisonError::into_inner);
                    results.push((number, result));
                }
            });
        }
    });
    let mut results =
        results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(number, _)| *number);
    results.into_iter().map(|(_, result)| result).collect()
}
