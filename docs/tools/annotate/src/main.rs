//! `cargo run -p annotate -- [FILES]`: checks these files, or all annotated
//! sources and how long they are to read. `--budgets` shows each budget.
//!
//! The exit status is 0 if all is well, 1 if there are findings, 2 if a file
//! cannot be read.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use annotate::{budgets, project};

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
    let show = files == ["--budgets"];
    if !show && files.iter().any(|file| file.starts_with('-')) {
        return Err(io::Error::other("usage: annotate [--budgets | FILES]"));
    }
    let all = files.is_empty() || show;
    if files.is_empty() {
        files = project::files(&root)?;
    }
    let mut out = io::stdout().lock();
    let mut found = false;
    for file in files.iter().filter(|_| !show) {
        for finding in project::check(&root, &below(&root, file)?)? {
            found = true;
            writeln!(out, "{finding}")?;
        }
    }
    let readings = if all { budgets::readings(&root)? } else { Vec::new() };
    for reading in readings {
        if let Some(excess) = reading.excess() {
            found = true;
            writeln!(out, "{excess}")?;
        } else if show {
            let (total, most) = (reading.total(), reading.most);
            writeln!(out, "{}: {total} of {most} code lines", reading.name)?;
        }
    }
    Ok(ExitCode::from(u8::from(found)))
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
