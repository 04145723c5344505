//! Many connections through each form, and very many on request:
//! `cargo test --release -p suite --test soak -- --ignored` writes
//! `docs/soak.md`.

use std::process::ExitCode;

use suite::{runner, soak};

fn main() -> ExitCode {
    let mut trials = suite::trials(soak::CASES);
    let all = "a_hundred_thousand_connections_through_each_form";
    let all = runner::trial(all, &[], soak::publish);
    trials.push(all.with_ignored_flag(true));
    // Of a page that two servers share, the kernel counts half for each: what
    // a server holds would grow when another one ends.
    runner::run(trials, 1)
}
