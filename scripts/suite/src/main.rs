//! Runs what the servers have to survive: `suite matrix`, `suite limits`,
//! and `--quick` for a slice; a second word picks cases by their names.
//!
//! The whole matrix writes its result into `docs/faults.md`.

use std::env;
use std::process::ExitCode;
use std::time::Instant;

use probe::strace;
use suite::faults::{self, report, table};
use suite::harness::Outcome;
use suite::limits;

/// Runs what the command line names.
fn main() -> ExitCode {
    let words: Vec<_> = env::args().skip(1).collect();
    let quick = words.iter().any(|word| word == "--quick");
    let mut names = words.iter().filter(|word| !word.starts_with("--"));
    let what = names.next().map_or("all", String::as_str);
    let filter = names.next().map_or("", String::as_str);
    if strace::version().is_none() {
        eprintln!("suite: strace is not installed, or may not be used");
        return ExitCode::FAILURE;
    }
    let start = Instant::now();
    let well = match what {
        "matrix" => matrix(quick, filter),
        "limits" => shortages(filter),
        "all" => matrix(quick, filter) & shortages(filter),
        _ => {
            eprintln!("usage: suite [matrix|limits|all] [--quick] [NAME]");
            return ExitCode::from(2);
        }
    };
    println!("{} s", start.elapsed().as_secs());
    ExitCode::from(u8::from(!well))
}

/// The matrix; says whether all has survived.
fn matrix(quick: bool, filter: &str) -> bool {
    let mut cases = table::cases(table::TABLE);
    cases.extend(table::cases(table::MISTAKES));
    if quick {
        cases = table::slice(cases);
    }
    cases.retain(|case| case.to_string().contains(filter));
    let results = faults::run_all(cases, |result| {
        tell(&result.case.to_string(), &result.outcome);
    });
    let survived = results.iter().filter(|result| result.outcome.is_ok());
    let (survived, all) = (survived.count(), results.len());
    println!("{survived} of {all} faults survived");
    if !quick && filter.is_empty() {
        match report::write(&results) {
            Ok(()) => println!("written to docs/faults.md"),
            Err(error) => println!("docs/faults.md: {error}"),
        }
    }
    survived == all
}

/// The limits, one after the other; says whether all has survived.
fn shortages(filter: &str) -> bool {
    let mut well = true;
    for case in limits::cases() {
        let name = case.name();
        if name.contains(filter) {
            let outcome = case.run();
            tell(&name, &outcome);
            well &= outcome.is_ok();
        }
    }
    well
}

/// Prints what has become of a case.
fn tell(name: &str, outcome: &Outcome) {
    match outcome {
        Ok(()) => println!("survived  {name}"),
        Err(text) => println!("FAILED    {name}: {text}"),
    }
}
