//! `cargo run -p annotate -- [--share] [FILES]`: checks the annotated
//! sources, or shows how much of each file is comment.
//!
//! The exit status is 0 if all is well, 1 if there are findings, 2 if a file
//! cannot be read.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use annotate::project;

fn main() -> ExitCode {
    run().unwrap_or_else(|error| {
        // Nobody is left to be told if this fails.
        let _ = writeln!(io::stderr(), "annotate: {error}");
        ExitCode::from(2)
    })
}

fn run() -> io::Result<ExitCode> {
    let root = project::root();
    let (options, mut files): (Vec<_>, Vec<_>) = std::env::args()
        .skip(1)
        .partition(|arg| arg.starts_with('-'));
    if options.iter().any(|option| option != "--share") {
        return Err(io::Error::other("usage: annotate [--share] [FILES]"));
    }
    if files.is_empty() {
        files = project::files(&root)?;
    }
    let share = !options.is_empty();
    let mut out = io::stdout().lock();
    let mut found = false;
    if share {
        writeln!(out, "| file | code | comments | for each code line |")?;
        writeln!(out, "|---|--:|--:|--:|")?;
    }
    for file in files {
        let path = below(&root, &file)?;
        if share {
            writeln!(out, "{}", row(&root, &path)?)?;
        } else {
            for finding in project::check(&root, &path)? {
                found = true;
                writeln!(out, "{finding}")?;
            }
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

/// How much of a file is comment.
fn row(root: &Path, path: &str) -> io::Result<String> {
    let source = project::read(root, path)?
        .map_err(|finding| io::Error::other(finding.to_string()))?;
    let code = source.code_count();
    let comments = source.comment_count();
    // Files are far too short for this to be inexact.
    let count = |lines: usize| f64::from(u32::try_from(lines).unwrap_or(0));
    let ratio = count(comments) / count(code.max(1));
    Ok(format!("| `{path}` | {code} | {comments} | {ratio:.2} |"))
}
