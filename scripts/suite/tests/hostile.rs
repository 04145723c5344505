//! Clients that mean harm, against each form of the servers.

use std::process::ExitCode;

use suite::{hostile, runner};

fn main() -> ExitCode {
    runner::run(suite::trials(hostile::CASES), 6)
}
