//! `cargo run -p annotate -- FILE...`: checks these files, which are named from
//! the root of the repository. `cargo test -p annotate` checks them all, and
//! how long they are to read.
//!
//! The exit status is 0 if all is well, 1 if there are findings, 2 if a file
//! cannot be read.

use std::env;
use std::io::{self, Write};
use std::process::ExitCode;

use annotate::project;

fn main() -> ExitCode {
    run().unwrap_or_else(|error| {
        // Standard error is closed, and there is no other way to report the
        // error.
        let _ = writeln!(io::stderr(), "annotate: {error}");
        ExitCode::from(2)
    })
}

fn run() -> io::Result<ExitCode> {
    let files: Vec<String> = env::args().skip(1).collect();
    if files.is_empty() || files.iter().any(|file| file.starts_with('-')) {
        return Err(io::Error::other("usage: annotate FILE..."));
    }
    let mut status = ExitCode::SUCCESS;
    for file in files {
        for finding in project::check(&project::root(), &file)? {
            writeln!(io::stdout(), "{finding}")?;
            status = ExitCode::FAILURE;
        }
    }
    Ok(status)
}
