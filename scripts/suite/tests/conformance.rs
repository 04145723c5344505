//! What the servers promise, tested on each form of them.

use std::process::ExitCode;

use suite::{cases, forms, runner};

fn main() -> ExitCode {
    let (mut slow, quick): (Vec<_>, Vec<_>) = forms::chosen()
        .flat_map(|form| cases::all().map(move |case| (form, case)))
        .filter(|(form, case)| case.concerns(form))
        .partition(|(_, case)| case.is_slow());
    slow.extend(quick);
    let trials = slow.into_iter().map(|(form, case)| case.trial(form));
    // Most of a trial's time is spent waiting, so more run than there are
    // processors.
    runner::run(trials.collect(), 8)
}
