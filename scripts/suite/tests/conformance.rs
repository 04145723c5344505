//! What the servers promise, tested on each form of them.

use std::process::ExitCode;

use suite::{cases, runner};

fn main() -> ExitCode {
    let cases = cases::all().filter(|case| !case.timed);
    // Most of a trial's time is spent waiting, so more run than there are
    // processors.
    runner::run(suite::trials(&cases.collect::<Vec<_>>()), 8)
}
