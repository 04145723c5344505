//! What fails when a server takes too long: few at a time, so that the other
//! tests do not make it late.

use std::process::ExitCode;

use suite::{every_case, runner};

fn main() -> ExitCode {
    let cases: Vec<_> = every_case().filter(|case| case.timed).collect();
    runner::run(suite::trials(&cases), 4)
}
