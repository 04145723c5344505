//! Reads Python, with Python's own parser: `python.py` prints the parts of a
//! file as JSON.

use std::io::{self, Write as _};
use std::process::{Command, Stdio};

use crate::rules::Finding;
use crate::source::{Parts, Source};

/// The program that prints the parts.
const PROGRAM: &str = include_str!("python.py");

/// Reads a Python file.
///
/// # Errors
///
/// Where `python3` cannot be run; within, where the file is not Python.
pub fn read(path: &str, text: &str) -> io::Result<Result<Source, Finding>> {
    let mut python = Command::new("python3")
        .args(["-I", "-c", PROGRAM])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    // The program reads all of its input before it prints; dropping the pipe is
    // its end of file.
    if let Some(mut input) = python.stdin.take() {
        input.write_all(text.as_bytes())?;
    }
    let output = python.wait_with_output()?;
    if !output.status.success() {
        let message = format!("python3 for {path}: {}", output.status);
        return Err(io::Error::other(message));
    }
    // The parts, or the line that is not Python, and why.
    let parts: Result<Parts, (usize, String)> =
        serde_json::from_slice(&output.stdout)?;
    Ok(match parts {
        Ok(parts) => Ok(Source::new(path, text, parts)),
        Err((line, message)) => {
            Err(Finding { path: path.to_owned(), line, message })
        }
    })
}
