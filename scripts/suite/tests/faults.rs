//! Faults from outside: system calls that fail, too little of everything, and
//! signals at the moments when they might do harm. With `--include-ignored` the
//! whole matrix is run, and `docs/faults.md` is written.

use std::process::ExitCode;

use suite::faults::{self, census};
use suite::{limits, orders, runner};

fn main() -> ExitCode {
    let cases = [census::CASES, limits::CASES, orders::CASES].concat();
    let mut trials = suite::trials(&cases);
    trials.extend(faults::trials());
    // strace makes each of them cost more than its waiting.
    let code = runner::run(trials, 6);
    if let Err(error) = faults::publish() {
        eprintln!("docs/faults.md: {error}");
        return ExitCode::FAILURE;
    }
    code
}
