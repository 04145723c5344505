//! The commands of the lab.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use lab::program;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub mod compare;
pub mod evaluate;
pub mod growth;
pub mod load;
pub mod peer;
mod progress;
pub mod timeline;
pub mod watch;

/// Prints a line; ends the program when its output is closed (`| head`).
macro_rules! out {
    ($($part:tt)*) => {
        $crate::commands::write_line(format_args!($($part)*))
    };
}
use out;

/// The function behind the macro above. A line that is wider than the terminal
/// is broken between two words.
fn write_line(line: std::fmt::Arguments<'_>) {
    use std::io::Write;

    let text = lab::table::folded(&line.to_string());
    if writeln!(std::io::stdout(), "{text}").is_err() {
        // The kernel kills the servers that this process has started.
        std::process::exit(1);
    }
}

/// The directory that the user asked for, or the lab's own; created if need be.
fn directory(asked: Option<&Path>, own: &str) -> Result<PathBuf> {
    let directory = match asked {
        Some(directory) => directory.to_owned(),
        None => program::output_directory()?.join(own),
    };
    fs::create_dir_all(&directory)
        .with_context(|| format!("creating {}", directory.display()))?;
    Ok(directory)
}

fn read(file: &Path) -> Result<String> {
    fs::read_to_string(file)
        .with_context(|| format!("reading {}", file.display()))
}

fn read_json<T: DeserializeOwned>(file: &Path) -> Result<T> {
    serde_json::from_str(&read(file)?)
        .with_context(|| format!("{} is not ours", file.display()))
}

fn write(file: &Path, text: &str) -> Result<()> {
    fs::write(file, text).with_context(|| format!("writing {}", file.display()))
}

fn write_json(file: &Path, value: &impl Serialize) -> Result<()> {
    write(file, &(serde_json::to_string_pretty(value)? + "\n"))
}

/// The exit status of a run that was finished, or stopped early.
fn status(complete: bool) -> ExitCode {
    if complete { ExitCode::SUCCESS } else { ExitCode::from(130) }
}
