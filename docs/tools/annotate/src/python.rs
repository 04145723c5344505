//! Reads Python, with Python's own parser: `python.py` prints the parts of a
//! file, and here they are taken up.

use std::io::{self, Write as _};
use std::process::{Command, Stdio};

use crate::source::{Kind, Parts, Piece, Source, Token, Unit, Unreadable};

/// The program that prints the parts.
const PROGRAM: &str = include_str!("python.py");

/// Reads a Python file.
///
/// # Errors
///
/// Where `python3` cannot be run; within, where the file is not Python.
pub fn read(path: &str, text: &str) -> io::Result<Result<Source, Unreadable>> {
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
    let mut parts = Parts::default();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        if let ["E", line, message] = fields[..] {
            let line = number(line)?;
            let message = message.to_owned();
            return Ok(Err(Unreadable { line, message }));
        }
        take(&fields, &mut parts)?;
    }
    Ok(Ok(Source::new(path, text, parts)))
}

/// Adds one part to the parts of the file.
fn take(fields: &[&str], parts: &mut Parts) -> io::Result<()> {
    match *fields {
        ["T", first, end, text] => parts.tokens.push(Token {
            lines: number(first)?..number(end)?,
            text: text.to_owned(),
        }),
        ["C", line, doc, apart, text] => parts.pieces.push(Piece {
            line: number(line)?,
            text: text.to_owned(),
            doc: doc == "1",
            apart: apart == "1",
        }),
        ["U", kind, top, line, last, open, sole, hands_on] => {
            let open = number(open)?;
            parts.units.push(Unit {
                kind: match kind {
                    "Use" => Kind::Use,
                    "Item" => Kind::Item,
                    "Arm" => Kind::Arm,
                    "Branch" => Kind::Branch,
                    _ => Kind::Statement,
                },
                top: number(top)?,
                line: number(line)?,
                last: number(last)?,
                open: (open > 0).then_some(open),
                sole: sole == "1",
                hands_on: hands_on == "1",
            });
        }
        _ => {
            let message = format!("what Python says is unclear: {fields:?}");
            return Err(io::Error::other(message));
        }
    }
    Ok(())
}

fn number(field: &str) -> io::Result<usize> {
    field.parse().map_err(io::Error::other)
}
