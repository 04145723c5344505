//! What the pages that a run writes say of the day and the machine.

use std::fs;
use std::process::Command;

/// Today.
pub(crate) fn date() -> Option<String> {
    let output = Command::new("date").args(["-u", "+%F"]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    Some(text.trim_end().to_owned())
}

/// What a file says behind this key and separator, in its first such line.
pub(crate) fn read(path: &str, key: &str, separator: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    let value = line.trim_start().trim_start_matches(separator);
    Some(value.trim().to_owned())
}
