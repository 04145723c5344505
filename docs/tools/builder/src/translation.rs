//! Whether the Spanish book is complete and of today.

use std::fs;
use std::path::Path;

use anyhow::{Result, anyhow, ensure};
use polib::catalog::Catalog;
use polib::po_file;
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
    let compiled = text(&folder.path().join("es.mo"));
    command("msgfmt", &["--check", "-o", &compiled, &text(&file)])?;
    let (wanted, found) = (read(&template)?, read(&file)?);
    let mut wrong = Vec::new();
    for message in wanted.messages() {
        let translation = found.find_message(None, message.msgid(), None);
        let what = match translation {
            None => "missing",
            Some(translation) if translation.is_fuzzy() => "fuzzy",
            Some(translation) if !translation.is_translated() => {
                "not translated"
            }
            Some(_) => continue,
        };
        let source = message.source().lines().next().unwrap_or_default();
        wrong.push(format!("{source}: {what}: {}", begin(message.msgid())));
    }
    for message in found.messages() {
        if wanted.find_message(None, message.msgid(), None).is_none() {
            wrong.push(format!("es.po: stale: {}", begin(message.msgid())));
        }
    }
    if fs::read_to_string(&file)?.lines().any(|l| l.starts_with("#~")) {
        wrong.push("es.po: stale: messages commented out with #~".into());
    }
    let count = wrong.len();
    wrong.truncate(20);
    ensure!(
        wrong.is_empty(),
        "{}\n{count} in all; `scripts/book.sh merge` brings es.po up to the \
         book",
        wrong.join("\n")
    );
    Ok(())
}

fn read(path: &Path) -> Result<Catalog> {
    po_file::parse(path).map_err(|error| anyhow!("{}: {error}", path.display()))
}

/// The beginning of a message.
fn begin(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    line.chars().take(60).collect()
}
