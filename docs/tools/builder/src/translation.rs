//! Whether the Spanish book is complete and of today.

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;

use crate::build;
use crate::check::{Book, command, text};

/// Compares `es.po` with what the book says.
///
/// # Errors
///
/// Where a message is missing, not translated, fuzzy, or no longer there.
pub fn check(book: &Book) -> Result<()> {
    let file = book.root.join("docs/po/es.po");
    let folder = TempDir::new()?;
    let template = build::messages(&book.root, folder.path())?;
    command("msgfmt", &["--check", "-o", "/dev/null", &text(&file)])?;
    let output = Command::new("msgcmp")
        .args([&file, &template])
        .env("LC_ALL", "C")
        .output()
        .context("msgcmp: is it installed?")?;
    let said = String::from_utf8_lossy(&output.stderr);
    let mut wrong: Vec<_> = said.lines().map(with_message).collect();
    if fs::read_to_string(&file)?.lines().any(|l| l.starts_with("#~")) {
        wrong.push("es.po: messages commented out with #~".into());
    }
    wrong.truncate(20);
    ensure!(
        wrong.is_empty() && output.status.success(),
        "{}\n`scripts/book.sh merge` brings es.po up to the book",
        wrong.join("\n")
    );
    Ok(())
}

/// What msgcmp says of a line, with the end of the message, which stands
/// above that line.
fn with_message(said: &str) -> String {
    let parts: Vec<&str> = said.splitn(3, ':').collect();
    let message = || {
        let text = fs::read_to_string(parts.first()?).ok()?;
        let line: usize = parts.get(1)?.parse().ok()?;
        text.lines().nth(line.checked_sub(2)?).map(str::to_owned)
    };
    format!("{said}: {}", message().unwrap_or_default())
}
