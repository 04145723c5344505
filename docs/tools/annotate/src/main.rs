//! `cargo run -p annotate -- [FILES]`: checks these files, or all annotated
//! sources and how long they are to read.
//!
//! The exit status is 0 if all is well, 1 if there are findings, 2 if a file
//! cannot be read.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use annotate::budgets::{self, Reading};
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
    let root = project::root();
    let mut files: Vec<String> = std::env::args().skip(1).collect();
    if files.iter().any(|file| file.starts_with('-')) {
        return Err(io::Error::other("usage: annotate [FILES]"));
    }
    let all = files.is_empty();
    if all {
        files = project::files(&root)?;
    }
    let mut wrong = Vec::new();
    for file in files {
        let findings = project::check(&root, &below(&root, &file)?)?;
        wrong.extend(findings.iter().map(ToString::to_string));
    }
    if all {
        let readings = budgets::readings(&root)?;
        wrong.extend(readings.iter().filter_map(Reading::excess));
    }
    let mut out = io::stdout().lock();
    for line in &wrong {
        writeln!(out, "{line}")?;
    }
    Ok(ExitCode::from(u8::from(!wrong.is_empty())))
}

/// A file's path below the root, as the tables name it.
fn below(root: &Path, file: &str) -> io::Result<String> {
    let explain =
        |error: io::Error| io::Error::other(format!("{file}: {error}"));
    let path = [Path::new(file).to_owned(), root.join(file)]
        .into_iter()
        .find(|path| path.exists())
        .unwrap_or_else(|| file.into());
    let path = path.canonicalize().map_err(explain)?;
    let root = root.canonicalize()?;
    let path = path.strip_prefix(root).unwrap_or(&path);
    Ok(path.to_string_lossy().into_owned())
}
