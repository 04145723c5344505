//! Runs all that the servers have to survive: `torture matrix`, `torture
//! limits`.

use std::env;
use std::process::ExitCode;

use torture::matrix::{self, table};

fn main() -> ExitCode {
    let words: Vec<_> = env::args().skip(1).collect();
    let quick = words.iter().any(|word| word == "--quick");
    let mut names = words.iter().filter(|word| !word.starts_with("--"));
    let _what = names.next();
    let filter = names.next().cloned().unwrap_or_default();
    let mut cases = table::cases(table::TABLE);
    cases.extend(table::cases(table::MISTAKES));
    if quick {
        cases = table::slice(cases);
    }
    cases.retain(|case| case.to_string().contains(&filter));
    let results = matrix::run_all(cases, |result| match &result.outcome {
        Ok(()) => println!("ok {} {:?}", result.case, result.time),
        Err(text) => println!("FAILED {}: {text}", result.case),
    });
    let survived = results.iter().filter(|result| result.outcome.is_ok());
    let (survived, all) = (survived.count(), results.len());
    println!("{survived} of {all} survived");
    ExitCode::from(u8::from(survived != all))
}
