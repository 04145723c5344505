//! The fault matrix: every system call on the path of service, every error
//! that the outside can cause there, at its first, second and third call.
//!
//! `table` says what there is to try and what must come of it, `run` tries it
//! on a real server, `census` sees to it that the table leaves nothing out,
//! `report` writes the result down.

mod balance;
pub mod census;
mod client;
mod report;
mod run;
// One row of the table is one line.
#[rustfmt::skip]
mod table;

use std::collections::BTreeSet;
use std::io;
use std::panic::{catch_unwind, resume_unwind};
use std::sync::{Mutex, PoisonError};

use libtest_mimic::Trial;

use crate::case::Need;
use crate::{forms, runner};
use table::{Case, all_cases, slice};

/// What has been run so far, and whether the server has survived it.
static RESULTS: Mutex<Vec<(Case, bool)>> = Mutex::new(Vec::new());

/// Every case of the matrix as a trial. Those of the daily slice are run
/// always, the others with `--include-ignored`.
pub fn trials() -> Vec<Trial> {
    let daily: BTreeSet<_> = slice().iter().map(Case::to_string).collect();
    let chosen: Vec<_> = forms::chosen().collect();
    let all = all_cases().into_iter();
    let trials = all.filter(|case| chosen.contains(&case.form)).map(|case| {
        let name = case.to_string();
        let ignored = !daily.contains(&name);
        let trial = runner::trial(name, &[Need::Strace], move || {
            let result = catch_unwind(|| run::run(&case));
            let mut results =
                RESULTS.lock().unwrap_or_else(PoisonError::into_inner);
            results.push((case, result.is_ok()));
            drop(results);
            result.unwrap_or_else(|panic| resume_unwind(panic));
        });
        trial.with_ignored_flag(ignored)
    });
    trials.collect()
}

/// Writes `docs/faults.md`, if every case of the matrix has been run.
///
/// # Errors
///
/// When the page cannot be written.
pub fn publish() -> io::Result<()> {
    let results = RESULTS.lock().unwrap_or_else(PoisonError::into_inner);
    if results.len() < all_cases().len() {
        return Ok(());
    }
    report::write(&results)
}

/// The names of the rows.
#[cfg(test)]
pub(crate) fn rows() -> impl Iterator<Item = &'static str> {
    all_cases().into_iter().map(|case| case.row.name)
}
